package sandbox

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"when":  func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"style": func() (template.CSS, error) {
		text, err := files.ReadFile("pages/style.css")
		return template.CSS(text), err //nolint:gosec // G203: our own file
	},
}).ParseFS(files, "pages/*.html"))

// Bounds of the page: it is for looking, the API has everything.
const (
	shownOrders = 30
	shownCalls  = 12
)

// view is what the page shows.
type view struct {
	Now       time.Time
	Moved     string
	Customers []lwatest.Customer
	Devices   []deviceView
	Orders    []orderView
	More      int // orders that are not shown
	Calls     []callView
	Done      string // what the last button did
	Problem   string // or why it could not
}

type deviceView struct {
	Device
	Customer string
}

type orderView struct {
	drstest.Order
	Thing string
	Steps []string // that it can take now
}

type callView struct {
	At            time.Time
	Service, What string
	Outcome       string
	Bad           bool
}

func (s *Sandbox) page(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, http.StatusOK, done[r.URL.Query().Get("done")], "")
}

// show answers with the page, and what a button did, or why it could not.
func (s *Sandbox) show(w http.ResponseWriter, status int, did, problem string) error {
	v := s.view()
	v.Done, v.Problem = did, problem
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "page.html", v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone
	return nil
}

func (s *Sandbox) view() view {
	st := s.State()
	v := view{Now: st.Now, Customers: st.Customers, Calls: s.recent()}
	if m := time.Duration(st.Moved).Round(time.Minute); m != 0 {
		v.Moved = fmt.Sprintf("%d h %d min", m/time.Hour, m%time.Hour/time.Minute)
	}
	names := map[string]string{}
	for _, c := range st.Customers {
		names[c.UserID] = c.Name
	}
	for _, d := range st.Devices {
		v.Devices = append(v.Devices, deviceView{d, cmp.Or(names[d.CustomerID], d.CustomerID)})
	}
	slices.Reverse(st.Orders)
	v.More = max(0, len(st.Orders)-shownOrders)
	for _, o := range st.Orders[:len(st.Orders)-v.More] {
		v.Orders = append(v.Orders, orderView{o, thingOf(o.Device.Model, o.Device.Serial), steps[o.State]})
	}
	return v
}

// steps that an order can take.
var steps = map[drstest.OrderState][]string{
	drstest.Problem: {"resolve", "cancel"},
	drstest.Placed:  {"ship", "cancel"},
	drstest.Shipped: {"deliver"},
}

// recent is what was asked last, of both services, the newest first.
func (s *Sandbox) recent() []callView {
	var all []callView
	for _, e := range s.LWA.Journal() {
		what := string(e.Route)
		if e.GrantType != "" {
			what += ", " + e.GrantType
		}
		all = append(all, callView{e.At, "LWA", what, outcomeOf(e.Outcome, string(e.Fault)), e.Status == 0 || e.Status >= 400})
	}
	for _, e := range s.DRS.Journal() {
		what := string(e.Route)
		if len(e.Params) > 0 {
			what += " " + strings.Join(e.Params, " ")
		}
		all = append(all, callView{e.At, "DRS", what, outcomeOf(e.Outcome, string(e.Fault)), e.Status == 0 || e.Status >= 400})
	}
	slices.SortStableFunc(all, func(a, b callView) int { return b.At.Compare(a.At) })
	return all[:min(len(all), shownCalls)]
}

func outcomeOf(outcome, fault string) string {
	if fault != "" {
		return outcome + " (fault: " + fault + ")"
	}
	return outcome
}

// done says what a button did. The text is looked up: nothing of an address is shown
// as ours.
var done = map[string]string{
	"clock":       "The clock was moved on.",
	"withdraw":    "Consent was withdrawn. Restock finds out at the next refresh or press.",
	"deregister":  "The device was taken off the account. Restock is told.",
	"subscribe":   "The slot is subscribed now. Restock is told.",
	"unsubscribe": "The slot is not subscribed any more. Restock is told.",
	"ship":        "The order is on its way. Restock is told.",
	"deliver":     "The order was delivered; its slot can order again.",
	"cancel":      "The order was cancelled; its slot can order again. Restock is told.",
	"resolve":     "The problem is solved, the order is placed. Restock is told.",
}

// form does what a button of the page asks for and shows the page again.
func (s *Sandbox) form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	if err := r.ParseForm(); err != nil {
		return web.New(web.CodeBadBody, "the form did not arrive whole; go back and try again")
	}
	if err := s.do(r.PostForm); err != nil {
		return s.show(w, http.StatusBadRequest, "", err.Error())
	}
	w.Header().Set("Location", "/?"+url.Values{"done": {r.PostForm.Get("do")}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (s *Sandbox) do(f url.Values) error {
	do := f.Get("do")
	switch do {
	case "clock":
		d, err := time.ParseDuration(f.Get("advance"))
		if err != nil {
			return errAdvance
		}
		return s.Advance(d)
	case "ship", "deliver", "cancel", "resolve":
		return s.step(f.Get("order"), do)
	}
	d, err := thing.Parse(f.Get("thing"))
	if err != nil {
		return err
	}
	switch do {
	case "withdraw":
		_, err = s.Withdraw(lwatest.Match{DeviceModel: d.Model, Serial: d.Serial}, false)
	case "deregister":
		err = s.DRS.Deregister(d.Model, d.Serial)
	case "subscribe", "unsubscribe":
		err = s.DRS.Subscribe(d.Model, d.Serial, f.Get("slot"), do == "subscribe")
	default:
		err = fmt.Errorf("there is no button %.40q", do)
	}
	return err
}
