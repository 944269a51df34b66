// Package drstest is a server that answers as the Amazon Dash Replenishment Service
// does, for tests and for work without an Amazon account.
//
// # A test in five lines
//
// [NewServer] starts a [Server] that ends with the test. DRS knows nothing of OAuth, so
// somebody has to say whose an access token is; [Tokens] will do for a start.
// [Server.Client] is a [drs.Client] that talks to it:
//
//	device := drstest.Device{Model: "ACME-VAC-1", Serial: "SN0001"}
//	srv := drstest.NewServer(t, drstest.Options{
//		Authorize: drstest.Tokens(map[string]drstest.Device{"Atza|1": device}),
//	})
//	result, err := srv.Client().Replenish(ctx, "Atza|1", "filter")
//
// A Server is an [http.Handler] too: [New] makes one that doesn't listen, to be put
// behind any other server, though not behind an [http.ServeMux], which would redirect a slot
// called "..". [Server.Transport] calls it in memory, also inside a testing/synctest
// bubble.
//
// # What it is strict about
//
// Methods, paths, version headers and tokens. A token that is not good gets the very
// reply that was seen from Amazon. What isn't known of Amazon is a field of [Switches]
// instead of a guess.
//
// # Devices
//
// [Server.Register] is the customer who signs in, [Server.Subscribe] the one who
// changes a subscription, [Server.Deregister] the one who removes the device. Device models
// have the slots of [Options.Models], or [DefaultSlots].
//
// # Orders
//
// A replenish places an order and locks the slot. Unless it is cancelled, the order ships
// after 24 hours and arrives days later, which frees the slot. Time is what
// [Options.Now] says: move that clock and call [Server.Tick]. [Server.Ship],
// [Server.Deliver], [Server.Cancel] and [Server.Resolve] don't wait.
//
// # Notifications
//
// Everything that DRS would publish to SNS goes to [Options.Notify].
//
// # Trouble
//
// [Server.Script] queues faults: slow or missing answers, dropped before or after the
// work was done, broken off, throttled, and more.
//
// # What happened
//
// [Server.Orders] and [Server.Registrations] list what there is. [Server.Journal] lists
// what was asked and how it was answered, without any token. [Server.Calls] counts.
//
// # Keeping it
//
// With [Options.Save] every change is handed over before the answer that depends on it
// leaves, and [Server.Restore] brings it back: what a client was told survives a
// killed process.
package drstest
