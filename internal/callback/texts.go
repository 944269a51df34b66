package callback

import (
	"net/http"
	"net/url"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

const nothingChanged = "Nothing was changed."

var toStart = link{Href: "./", Label: "Start again"}

// loginLink leads to Amazon on behalf of a device.
func loginLink(d thing.Device, label string) link {
	q := url.Values{"device_model": {d.Model}, "serial": {d.Serial}}
	return link{Href: "login?" + q.Encode(), Label: label, Amazon: true}
}

// pairingLink leads to Amazon on behalf of a pairing.
func pairingLink(id, label string) link {
	return link{Href: "login?pairing=" + id, Label: label, Amazon: true}
}

// deviceOf returns the device of a login, nil where it is not known.
func deviceOf(l *store.Login) *thing.Device {
	if l == nil {
		return nil
	}
	d, err := thing.Parse(l.Thing)
	if err != nil {
		return nil
	}
	return &d
}

// next returns the button of a login that failed: to Amazon once more, as it went there,
// or to the start where the login is not known.
func next(l *store.Login) []link {
	const label = "Login with Amazon again"
	d := deviceOf(l)
	switch {
	case d == nil:
		return []link{toStart}
	case l.Pairing != "":
		return []link{pairingLink(l.Pairing, label)}
	}
	return []link{loginLink(*d, label)}
}

// formPage asks for a device. status 400 is for one that was given, and was wrong.
func formPage(status int, q url.Values) *page {
	const hint = "Use 1 to 64 of the letters A to Z, digits, and - + _"
	p := &page{
		status: status, Title: "Connect your device",
		Text: []string{"You'll find the model and the serial number on the device, or on its packaging."},
	}
	p.Form = &form{Fields: []field{
		{Name: "device_model", Label: "Model", Hint: hint, Example: "for example VAC-100"},
		{Name: "serial", Label: "Serial number", Hint: hint, Example: "for example SN-0001"},
	}}
	if status == http.StatusOK {
		return p
	}
	p.Tone, p.Title = "warn", "Please check the model and serial number"
	p.Text = []string{"They don't look like those of a device. You'll find both on the device, or on its packaging."}
	wrong := 0
	for i := range p.Form.Fields {
		f := &p.Form.Fields[i]
		f.Value = q.Get(f.Name)
		if f.Wrong = !deviceName(f.Value); f.Wrong {
			wrong++
			f.Focus = wrong == 1
		}
	}
	if wrong == 0 {
		p.Text = []string{"Together they are too long for a device. Please check both: you'll find them on the device, or on its packaging."}
	}
	return p
}

func devicePage(d thing.Device, sign link) *page {
	return &page{
		status: http.StatusOK, Title: "Connect your device to Amazon", Device: &d,
		Text: []string{
			"When it runs low, your device can order its own supplies from Amazon.",
			"To allow that, sign in with your Amazon account. You choose there what it may order.",
		},
		Links: []link{sign, {Href: "./", Label: "This is not my device"}},
		Small: "You sign in on Amazon's own page. We never see your Amazon password.",
	}
}

// warnConnected makes the page of a device say that it is connected, not to whom.
func warnConnected(p *page) {
	p.Tone = "warn"
	p.Text = append([]string{
		"This device is already connected. Continue only if you are setting it up right now: the new connection takes the place of the present one.",
	}, p.Text...)
}

func connected(reg *store.Registration) *page {
	p := &page{
		status: http.StatusOK, Tone: "good", Title: "Your device is connected",
		Text:   []string{"It can now order its supplies with your Amazon account. You can close this page."},
		Device: &thing.Device{Model: reg.DeviceModel, Serial: reg.Serial}, Slots: reg.Slots,
	}
	if len(reg.Slots) == 0 {
		p.Small = "What it may order isn't listed here yet. That is no problem: your device will find out by itself."
	}
	return p
}

// standing says how things stand with a device that this login connected.
func standing(reg *store.Registration) *page {
	d := thing.Device{Model: reg.DeviceModel, Serial: reg.Serial}
	if reg.Status == store.Active {
		return connected(reg)
	}
	p := &page{
		status: http.StatusOK, Tone: "warn", Title: "Your device is no longer connected", Device: &d,
		Text:  []string{"It was connected with this sign-in, and has been taken off your Amazon account since. It can't order anything."},
		Links: []link{loginLink(d, "Connect it again")},
	}
	switch reg.Reason {
	case store.ReasonConsentWithdrawn:
		p.Text = []string{"It was connected with this sign-in. Since then the permission was withdrawn in your Amazon account. It can't order anything."}
	case store.ReasonNoRefreshToken:
		p.Text = []string{"It was connected with this sign-in, but Amazon gave its permission for one hour only. It can't order anything."}
	}
	return p
}

func superseded(l *store.Login) *page {
	return &page{
		status: http.StatusOK, Tone: "good", Title: "This sign-in worked", Device: deviceOf(l),
		Text: []string{"It connected your device. The device has been connected anew since then, with another sign-in. You can close this page."},
	}
}
