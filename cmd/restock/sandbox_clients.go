package main

import (
	"bytes"
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
		Origins      []string `json:"origins"`
		Scopes       []string `json:"scopes"`
		OwnScopes    []string `json:"own_scopes"`
		GrantTypes   []string `json:"grant_types"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a misspelt client_secret would make a public client
	if len(text) > maxClientsFile || !json.Valid(text) || d.Decode(&all) != nil || len(all) > maxClients {
		return nil, fmt.Errorf(`--clients: %s must hold a JSON array of at most %d clients, like [{"client_id":"…","client_secret":"…","redirect_urls":["…"]}]; `+
			"name, origins, scopes, own_scopes and grant_types are the other members", path, maxClients)
	}
	clients := make([]lwatest.Client, len(all))
	for i, c := range all {
		clients[i] = lwatest.Client{
			ID: c.ID, Secret: lwa.NewSecret(c.Secret), Name: c.Name, RedirectURLs: c.RedirectURLs,
			Origins: c.Origins, Scopes: c.Scopes, OwnScopes: c.OwnScopes, GrantTypes: c.GrantTypes,
		}
	}
	return clients, nil
}
