package local

import mqtt "github.com/mochi-mqtt/server/v2"

// Watch adds a hook that looks on.
func (b *Broker) Watch(h mqtt.Hook) error { return b.server.AddHook(h, nil) }
