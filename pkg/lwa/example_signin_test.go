package lwa_test

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// site signs customers in with Amazon.
type site struct {
	amazon  *lwa.Client
	pending sync.Map // verifiers by state; with several servers a store, whose entries expire
}

// login sends the browser to Amazon.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	state, verifier := lwa.NewState(), lwa.NewVerifier()
	page, err := s.amazon.AuthCodeURL(lwa.AuthRequest{
		State: state, Scopes: []string{lwa.ScopeProfile}, CodeChallenge: lwa.Challenge(verifier),
	})
	if err != nil {
		s.sorry(w, err)
		return
	}
	s.pending.Store(state, verifier)
	http.SetCookie(w, &http.Cookie{ // which binds the sign-in to this browser
		Name: "__Host-signin", Value: state, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, page, http.StatusFound)
}

// callback is where Amazon sends the browser back to.
func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer") // the URL holds the code
	w.Header().Set("Cache-Control", "no-store")
	state := ""
	if c, err := r.Cookie("__Host-signin"); err == nil {
		state = c.Value
	}
	answer, err := lwa.ReadRedirect(r.URL.Query(), state)
	if err != nil {
		s.sorry(w, err)
		return
	}
	verifier, ok := s.pending.LoadAndDelete(state)
	if !ok { // opened again, or too late
		s.sorry(w, lwa.ErrState)
		return
	}
	token, err := s.amazon.Exchange(r.Context(), answer.Code, verifier.(lwa.Secret))
	if err != nil {
		s.sorry(w, err)
		return
	}
	customer, err := s.amazon.Profile(r.Context(), token.AccessToken)
	if err != nil {
		s.sorry(w, err)
		return
	}
	// And store token.RefreshToken, sealed, under customer.UserID. A name may be markup.
	fmt.Fprintf(w, "Hello, %s!", html.EscapeString(customer.Name))
}

// sorry tells the customer little, and the operator what to change.
func (s *site) sorry(w http.ResponseWriter, err error) {
	slog.Error("signing in with Amazon", "error", err, "advice", lwa.Explain(err))
	http.Error(w, "That did not work. Please sign in again.", http.StatusBadRequest)
}

// A website on which customers sign in with Amazon, from the button to the profile.
func Example() {
	amazon, err := lwatest.New(lwatest.Options{}) // the sandbox; in earnest there is none
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &site{amazon: amazon.Client()} // in earnest a literal with your client ID, secret and redirect URL

	// The customer presses the button, agrees at Amazon, and comes back.
	pressed := httptest.NewRecorder()
	s.login(pressed, httptest.NewRequest(http.MethodGet, "/login", nil))
	back, err := amazon.Visit(pressed.Header().Get("Location"), lwatest.Visitor{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // the second time somebody reloads the page
		returned := httptest.NewRequest(http.MethodGet, back.String(), nil)
		returned.AddCookie(pressed.Result().Cookies()[0])
		page := httptest.NewRecorder()
		s.callback(page, returned)
		fmt.Println(page.Code, page.Body)
	}
	// Output:
	// 200 Hello, Customer One!
	// 400 That did not work. Please sign in again.
}
