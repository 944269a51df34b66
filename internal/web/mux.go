package web

import (
	"net/http"
	"slices"
)

// Mux is an [http.ServeMux] that answers an unknown path or method with a problem.
// Handlers add their routes to it; one process may serve those of several.
type Mux struct {
	mux      http.ServeMux
	patterns []string
}

// Handle adds a route; pattern is that of [http.ServeMux].
func (m *Mux) Handle(pattern string, h http.Handler) {
	m.mux.Handle(pattern, h)
	m.patterns = append(m.patterns, pattern)
}

// Patterns returns the routes, in the order in which they were added.
func (m *Mux) Patterns() []string { return slices.Clone(m.patterns) }

// ServeHTTP implements [http.Handler].
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, pattern := m.mux.Handler(r)
	if pattern != "" {
		m.mux.ServeHTTP(w, r)
		return
	}
	// The mux knows best what it would answer, but it answers in plain text.
	answer := &headOnly{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(answer, r)
	switch answer.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", answer.header.Get("Allow"))
		WriteProblem(w, New(CodeMethod, "this path takes "+answer.header.Get("Allow")))
	case http.StatusNotFound:
		WriteProblem(w, New(CodeNotFound, "there is nothing at this path"))
	default: // the redirect of a path that is not clean
		h.ServeHTTP(w, r)
	}
}

type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headOnly) WriteHeader(status int)      { h.status = status }
