package local

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/notify"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/internal/wiring"
)

// Kinds of jobs in the queue.
const (
	kindRule         = "rule"         // a message of a device, as the IoT rule makes it
	kindRetry        = "retry"        // such a message that has failed elsewhere
	kindNotification = "notification" // a message of DRS's SNS topic
)

// amazonTimeout bounds a call to LWA or DRS. The handler counts on no more than this for one
// to DRS, since a claim must not end before the call does.
const amazonTimeout = 10 * time.Second

// parts are what the handlers are made of here.
func (s *Stack) parts() *wiring.Parts {
	return &wiring.Parts{
		Config: s.settled(), Store: s.store, Credentials: credentials.Static(s.creds), Keys: seal.Static(s.ring),
		Publisher: s.broker, Retry: retry{s}, Metrics: s.metrics, Now: s.clock.Now,
		HTTPClient: &http.Client{Timeout: amazonTimeout, Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: workers,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		}},
	}
}

// settled is the configuration with the sandbox where it names no other servers.
func (s *Stack) settled() *config.Config {
	cfg := s.cfg
	cfg.LWAURL, cfg.DRSURL = cmp.Or(cfg.LWAURL, s.sandboxURL()), cmp.Or(cfg.DRSURL, s.sandboxURL())
	return &cfg
}

// wire makes the handlers and ties them together, as the functions' mains do on AWS.
func (s *Stack) wire() error {
	s.broker = &Broker{Store: s.store, TrustLocal: s.Trusted(), Metrics: s.metrics, Now: s.clock.Now, Accept: s.accept}
	p := s.parts()
	s.keeper, s.drs, s.refresh = p.Keeper(), p.DRS(), refresh.Wire(p)
	presses, news := replenish.Wire(p), notify.Wire(p)
	pages, err := callback.Wire(p)
	if err != nil {
		return err
	}
	s.queue, err = OpenQueue(s.store.DB(), s.clock.Now, map[string]Handler{
		kindRule: func(ctx context.Context, j Job) error {
			if j.Attempts > 0 {
				return retried(ctx, presses, j)
			}
			var e message.RuleEvent
			if err := json.Unmarshal(j.Body, &e); err != nil {
				return fmt.Errorf("reading a queued message: %w", err)
			}
			return presses.Rule(ctx, e)
		},
		kindRetry:        func(ctx context.Context, j Job) error { return retried(ctx, presses, j) },
		kindNotification: func(ctx context.Context, j Job) error { return news.Notification(ctx, j.Body) },
	})
	if err != nil {
		return err
	}
	mux := new(web.Mux)
	pages.Routes(mux)
	presses.Routes(mux)
	mux.Handle("GET /openapi.yaml", http.HandlerFunc(showOpenAPI))
	s.api = web.Wrap(mux, web.Options{AllowedOrigins: s.cfg.AllowedOrigins, Now: s.clock.Now, Throttled: callback.OpenCalls})
	return nil
}

// retried hands a message on as the retry queue does on AWS: a device that was promised a
// result hears no more until there is one.
func retried(ctx context.Context, h *replenish.Handler, j Job) error {
	response, err := h.Queue(ctx, events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: j.Kind, Body: string(j.Body),
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(j.Attempts + 1)},
	}}})
	if err == nil && len(response.BatchItemFailures) > 0 {
		err = ErrAgain
	}
	return err
}

// accept stores what the rule made of a message, before its device gets the PUBACK.
func (s *Stack) accept(ctx context.Context, e message.RuleEvent) error {
	j, err := ruleJob(kindRule, e)
	if err != nil {
		return err
	}
	return s.queue.Put(ctx, j)
}

func ruleJob(kind string, e message.RuleEvent) (Job, error) {
	body, err := json.Marshal(e)
	return Job{Kind: kind, Body: body}, err
}

// retry takes over a message that could not be handled over HTTPS.
type retry struct{ s *Stack }

// Enqueue implements replenish's Retry.
func (r retry) Enqueue(ctx context.Context, e message.RuleEvent) error {
	j, err := ruleJob(kindRetry, e)
	if err != nil {
		return err
	}
	return r.s.queue.PutLater(ctx, j)
}

// notified takes what DRS publishes to SNS. SNS delivers for days what is not taken; here it
// is tried a few times, and what is lost then is counted.
func (s *Stack) notified(body []byte, _ map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
	defer cancel()
	if err := s.queue.Deliver(ctx, Job{Kind: kindNotification, Body: body}); err != nil {
		slog.ErrorContext(ctx, "notification of DRS was lost", "error", err)
		s.metrics.Count("NotificationLost", 1)
	}
}
