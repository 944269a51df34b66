// Command appstore gets an access token for the App Submission API, and calls it.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/restock-dev/restock/pkg/lwa"
)

func main() {
	c := &lwa.Client{
		ClientID:     os.Getenv("LWA_CLIENT_ID"),
		ClientSecret: lwa.NewSecret(os.Getenv("LWA_CLIENT_SECRET")),
		Endpoint:     lwa.Endpoint{APIURL: os.Getenv("LWA_API_URL")}, // empty: Amazon's
	}
	base := cmp.Or(os.Getenv("APPSTORE_API_URL"), "https://developer.amazon.com")
	if err := list(context.Background(), c, base+"/api/appstore/v1/applications", os.Stdout); err != nil {
		log.Fatal(err, "\n", lwa.Explain(err))
	}
}

func list(ctx context.Context, c *lwa.Client, url string, w io.Writer) error {
	api := &http.Client{Transport: &lwa.Transport{Source: c.ClientCredentialsSource("appstore::apps:readwrite")}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := api.Do(req) // with a token that is fetched, kept, and renewed when it is refused
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Fprintln(w, resp.Status)
	_, err = io.Copy(w, io.LimitReader(resp.Body, 1<<20))
	return err
}
