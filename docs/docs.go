// Package docs holds what of the documentation the program itself serves.
package docs

import _ "embed" // for the description

// OpenAPI is the description of the HTTP API, OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
