// Command codepair signs a customer in on a device without a browser.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/restock-dev/restock/pkg/lwa"
)

func main() {
	c := &lwa.Client{
		ClientID: os.Getenv("LWA_CLIENT_ID"),                     // no secret: a device could not keep it
		Endpoint: lwa.Endpoint{APIURL: os.Getenv("LWA_API_URL")}, // empty: Amazon's
	}
	if err := signIn(context.Background(), c, os.Stdout); err != nil {
		log.Fatal(err, "\n", lwa.Explain(err))
	}
}

func signIn(ctx context.Context, c *lwa.Client, w io.Writer) error {
	pair, err := c.CreateCodePair(ctx, lwa.CodePairRequest{Scopes: []string{"profile"}})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Go to %s and enter %s\n", pair.VerificationURL, pair.UserCode)
	token, err := c.AwaitCodePair(ctx, pair) // until the customer has decided, or the code has expired
	if err != nil {
		return err
	}
	customer, err := c.Profile(ctx, token.AccessToken)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s is signed in until %s, and for longer with token.RefreshToken\n", customer.Name, token.Expiry)
	return nil
}
