package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

// running is a stack of a test.
type running struct {
	*local.Stack
	stop func() // waits until it has
	data string
}

func startStack(t *testing.T, data string, change ...func(*config.Config)) *running {
	t.Helper()
	cfg, err := config.Parse(map[string]string{
		"RESTOCK_HTTP": "127.0.0.1:0", "RESTOCK_MQTT": "127.0.0.1:0", "RESTOCK_SANDBOX": "127.0.0.1:0", "RESTOCK_DATA": data,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(cfg)
	}
	s, err := local.Open(t.Context(), cfg, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	receive(t, "the stack to answer", ready)
	r := &running{Stack: s, data: data}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(t, "the stack to stop", ended); err != nil {
			t.Errorf("the stack ended with %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) post(t *testing.T, address, body string, header http.Header, answer any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil && json.Unmarshal(text, answer) != nil {
		t.Fatalf("%s answered %s", address, text)
	}
	return res.StatusCode
}

var (
	loginLink   = regexp.MustCompile(`href="(login[^"]*)"`)
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// allow has a customer open a link of ours and say yes at the sandbox.
func allow(t *testing.T, link string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Jar: jar}
	show := func(res *http.Response, err error) (*url.URL, string) {
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s answered %d: %v", res.Request.URL.Path, res.StatusCode, err)
		}
		return res.Request.URL, string(text)
	}
	at, page := show(c.Get(link))
	m := loginLink.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("%s has no login link", at.Path)
	}
	to, err := at.Parse(html.UnescapeString(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	at, page = show(c.Get(to.String()))
	form := url.Values{"decision": {"allow"}}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	_, page = show(c.PostForm(at.Scheme+"://"+at.Host+"/ap/oa/consent", form))
	return page
}

// pairDevice pairs a device that has no browser and returns its key.
func (r *running) pairDevice(t *testing.T) string {
	t.Helper()
	var p struct {
		URL string `json:"url"`
		Key string `json:"device_key"`
	}
	if status := r.post(t, r.Addresses().HTTP+"/v1/pairings", `{"device_model":"ACME-VAC-1","serial":"SN0001"}`, nil, &p); status != http.StatusCreated {
		t.Fatalf("starting a pairing answered %d", status)
	}
	allow(t, p.URL)
	return p.Key
}

func (r *running) device(t *testing.T, key string) (paho.Client, chan message.Result) {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("tcp://" + r.Addresses().MQTT).SetClientID(vac).SetUsername(vac).SetPassword(key).SetAutoReconnect(false)
	c := paho.NewClient(o)
	if err := done(c.Connect()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect(0) })
	results := make(chan message.Result, 10)
	err := done(c.Subscribe(message.Down(vac, "result"), 1, func(_ paho.Client, m paho.Message) {
		var res message.Result
		if json.Unmarshal(m.Payload(), &res) == nil {
			results <- res
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c, results
}

func TestStackOrders(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	key := s.pairDevice(t)
	c, results := s.device(t, key)
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, `{"slot":"filter","id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	first := receive(t, "the result", results)
	if first.Outcome != message.Ordered {
		t.Errorf("pressed over MQTT: %+v", first)
	}
	var second message.Result
	status := s.post(t, s.Addresses().HTTP+"/v1/replenish", `{"slot":"filter","id":"a"}`, http.Header{"Authorization": {"Bearer " + key}}, &second)
	if status != http.StatusOK || !second.Replayed || second.InstanceID != first.InstanceID {
		t.Errorf("the same over HTTPS: %d, %+v", status, second)
	}
	until(t, "the queue to be empty", func() bool { return s.Status().Queue == 0 })
}

// A press that was acknowledged is handled by the next process when this one can't.
func TestStackKeepsPresses(t *testing.T) {
	data := filepath.Join(t.TempDir(), "restock.db")
	s := startStack(t, data)
	key := s.pairDevice(t)
	c, results := s.device(t, key)
	s.post(t, s.Addresses().Sandbox+"/sandbox/faults", `{"drs":[{"route":"replenish","kind":"server_error","times":1000}]}`, nil, nil)
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, `{"slot":"filter","id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, "the promise", results); r.Outcome != message.Retrying {
		t.Errorf("with DRS in trouble: %+v, want retrying", r)
	}
	s.stop()

	s = startStack(t, data)
	_, results = s.device(t, key)
	s.post(t, s.Addresses().Sandbox+"/sandbox/clock", `{"advance":"5m"}`, nil, nil)
	r := receive(t, "the result", results)
	for !r.Outcome.Final() { // a try under way while the clock is moved takes itself for too late
		r = receive(t, "the result", results)
	}
	if r.Outcome != message.Ordered || r.ID != "a" {
		t.Errorf("after the restart: %+v, want ordered", r)
	}
	until(t, "the queue to be empty", func() bool { return s.Status().Queue == 0 })
}

// A device is told once that its press is tried again, and then what came of it.
func TestStackPromisesOnce(t *testing.T) {
	var log safeBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	c, results := s.device(t, s.pairDevice(t))
	s.post(t, s.Addresses().Sandbox+"/sandbox/faults", `{"drs":[{"route":"replenish","kind":"throttled","times":3}]}`, nil, nil)
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, `{"slot":"filter","id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	for attempt := 1; attempt <= 2; attempt++ {
		until(t, "another try to fail", func() bool { return strings.Contains(log.String(), fmt.Sprintf(`"attempt":%d,`, attempt)) })
		s.post(t, s.Addresses().Sandbox+"/sandbox/clock", `{"advance":"10s"}`, nil, nil)
	}
	var heard []message.Outcome
	for len(heard) == 0 || !heard[len(heard)-1].Final() {
		heard = append(heard, receive(t, "the result", results).Outcome)
		if len(heard) == 1 {
			s.post(t, s.Addresses().Sandbox+"/sandbox/clock", `{"advance":"10s"}`, nil, nil)
		}
	}
	if want := []message.Outcome{message.Retrying, message.Ordered}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
}

// What is too large for us and not for AWS IoT is answered, so that no device sends it
// again for ever.
func TestStackAnswersTooLarge(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	c, results := s.device(t, s.pairDevice(t))
	payload := `{"slot":"filter","more":"` + strings.Repeat("x", 100<<10) + `"}`
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, payload)); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, "the result", results); r.Outcome != message.Failed || r.DetailCode != "BAD_MESSAGE" {
		t.Errorf("answered %+v, want a failed BAD_MESSAGE", r)
	}
}

// What lies where the socket should be is the user's, and stays.
func TestStackSocketTaken(t *testing.T) {
	data := filepath.Join(t.TempDir(), "restock.db")
	if err := os.WriteFile(data+".sock", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(map[string]string{"RESTOCK_HTTP": "localhost:0", "RESTOCK_MQTT": "localhost:0", "RESTOCK_SANDBOX": "localhost:0", "RESTOCK_DATA": data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(t.Context(), cfg, "test"); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("Open() = %v, want an error that names --data", err)
	}
	if text, err := os.ReadFile(data + ".sock"); err != nil || string(text) != "mine" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

func TestStackStopsWhileAmazonHangs(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	key := s.pairDevice(t)
	s.post(t, s.Addresses().Sandbox+"/sandbox/faults", `{"drs":[{"route":"replenish","kind":"hang"}]}`, nil, nil)
	c, _ := s.device(t, key)
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, `{"slot":"filter"}`)); err != nil {
		t.Fatal(err)
	}
	s.stop() // fails the test when it takes too long
}

func TestStackAsked(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12), "restock.db")
	for name, data := range map[string]string{"beside the file": filepath.Join(t.TempDir(), "restock.db"), "where the path is too long": long} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			s := startStack(t, data)
			s.pairDevice(t)
			status, err := local.AskStatus(t.Context(), data)
			if err != nil || status.Addresses != s.Addresses() || status.Version != "test" || status.Data != data {
				t.Errorf("AskStatus() = %+v, %v", status, err)
			}
			devices, err := local.AskDevices(t.Context(), data, "")
			if err != nil || len(devices) != 1 || devices[0].Thing != vac || !devices[0].HasKey || devices[0].TokenExpiry.IsZero() {
				t.Errorf("AskDevices() = %+v, %v", devices, err)
			}
			if none, err := local.AskDevices(t.Context(), data, other); err != nil || len(none) != 0 {
				t.Errorf("AskDevices(a stranger) = %+v, %v", none, err)
			}
			s.stop()
			if _, err := local.AskStatus(t.Context(), data); !errors.Is(err, local.ErrNotRunning) {
				t.Errorf("AskStatus() after the end = %v, want ErrNotRunning", err)
			}
		})
	}
}

// The temporary directory is everybody's: a name in it that somebody else has taken
// must not be used.
func TestSocketDirectoryTaken(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	data := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12), "restock.db")
	s := startStack(t, data)
	s.stop()
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the temporary directory holds %v, %v", entries, err)
	}
	if err := os.Chmod(filepath.Join(tmp, entries[0].Name()), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := local.AskStatus(t.Context(), data); err == nil || errors.Is(err, local.ErrNotRunning) {
		t.Errorf("AskStatus() through everybody's directory = %v, want a refusal", err)
	}
}

// No secret of a pairing and a press reaches the log, whatever the device does wrong.
func TestStackLogsNoSecrets(t *testing.T) {
	var log safeBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	key := s.pairDevice(t)
	c, results := s.device(t, key)
	if err := done(c.Publish(message.Up(vac, message.ActionReplenish), 1, false, `{"slot":"filter"}`)); err != nil {
		t.Fatal(err)
	}
	receive(t, "the result", results)
	wrong := devicekey.New(vac)
	o := paho.NewClientOptions().AddBroker("tcp://" + s.Addresses().MQTT).SetClientID(vac).SetUsername(vac).SetPassword(wrong)
	if err := done(paho.NewClient(o).Connect()); err == nil {
		t.Error("a wrong key was taken")
	}
	c.Publish(message.Up(other, message.ActionReplenish), 1, false, "canary-payload "+key)
	until(t, "the refusals to be logged", func() bool { return strings.Count(log.String(), "refused") >= 2 })
	s.stop()
	text := log.String()
	for name, secret := range map[string]string{"device key": key, "wrong key": wrong, "payload": "canary-payload", "access token": "Atza|", "refresh token": "Atzr|", "client secret": "amzn1.oa2-cs"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	if !strings.Contains(text, vac) {
		t.Error("the log does not name the thing: it may not be the log")
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The schedule refreshes ahead as soon as the clock is moved, and nobody has to ask.
func TestStackRefreshesAhead(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	s.pairDevice(t)
	expiry := func() time.Time {
		d, err := s.Devices(t.Context(), vac)
		if err != nil || len(d) != 1 {
			t.Fatalf("devices %v, %v", d, err)
		}
		return d[0].TokenExpiry
	}
	before := expiry()
	s.post(t, s.Addresses().Sandbox+"/sandbox/clock", `{"advance":"55m"}`, nil, nil)
	until(t, "a new token", func() bool { return expiry().After(before) })
}

// With few shards, too, what DRS tells of a device is followed up: its grant has ended.
func TestStackFollowsUpWithFewShards(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"), func(c *config.Config) {
		c.Shards, c.RefreshPolicy = 1, tokens.OnUse
	})
	var p struct {
		URL string `json:"url"`
	}
	s.post(t, s.Addresses().HTTP+"/v1/pairings", `{"device_model":"ACME-VAC-1","serial":"SN0002"}`, nil, &p)
	allow(t, p.URL)
	device := func() local.Device {
		d, err := s.Devices(t.Context(), other)
		if err != nil || len(d) != 1 {
			t.Fatalf("devices %v, %v", d, err)
		}
		return d[0]
	}
	s.post(t, s.Addresses().Sandbox+"/sandbox/deregister", `{"thing":"`+other+`"}`, nil, nil)
	until(t, "the device to be due", func() bool { return !device().RefreshDue.IsZero() || device().Status != string(store.Active) })
	s.post(t, s.Addresses().Sandbox+"/sandbox/clock", `{"advance":"1s"}`, nil, nil) // which begins a sweep
	until(t, "the grant to end", func() bool { return device().Status == string(store.GrantEnded) })
}
