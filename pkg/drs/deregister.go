package drs

import "context"

// Deregister takes the device off the customer's account. Its access tokens, refresh
// tokens and codes are dead from then on, and a [DeviceDeregistered] notification follows.
//
// Errors: [*Error], with [ErrInvalidToken] presumably also for a device that was
// deregistered before; otherwise [*TransportError], after which the device may be
// deregistered.
//
// Source: developer.amazon.com/docs/dash/deregistration-endpoint.html
func (c *Client) Deregister(ctx context.Context, accessToken string) error {
	a, err := c.do(ctx, callDeregister, accessToken, nil, "registration")
	if err != nil {
		return err
	}
	return a.acknowledged()
}

// DeregisterV1 is [Client.Deregister] in version 1.0, which names the device again.
func (c *Client) DeregisterV1(ctx context.Context, accessToken, model, serial string) error {
	a, err := c.do(ctx, callDeregisterV1, accessToken, nil, "deviceModels", model, "devices", serial, "registration")
	if err != nil {
		return err
	}
	return a.acknowledged()
}
