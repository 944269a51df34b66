package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const (
	maxClientsFile = 1 << 20 // bytes
	maxClients     = 1000
)

// readClients reads a file of further clients. Its errors repeat nothing of the file,
// where secrets stand.
func readClients(path string) ([]lwatest.Client, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--clients: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxClientsFile+1))
	if err != nil {
		return nil, fmt.Errorf("--clients: %w", err)
	}
	var all []struct {
		ID           string   `json:"client_id"`
		Secret       string   `json:"client_secret"`
		Name         string   `json:"name"`
		RedirectURLs []string `json:"redirect_urls"`
		Scopes       []string `json:"scopes"`
	}
	if len(text) > maxClientsFile || json.Unmarshal(text, &all) != nil || len(all) > maxClients {
		return nil, fmt.Errorf(`--clients: %s must hold a JSON array of at most %d clients, like [{"client_id":"…","client_secret":"…","redirect_urls":["…"]}]`, path, maxClients)
	}
	clients := make([]lwatest.Client, len(all))
	for i, c := range all {
		clients[i] = lwatest.Client{ID: c.ID, Secret: lwa.NewSecret(c.Secret), Name: c.Name, RedirectURLs: c.RedirectURLs, Scopes: c.Scopes}
	}
	return clients, nil
}
