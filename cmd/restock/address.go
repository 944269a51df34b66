package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// baseURL reads where a running Restock takes HTTP: an address such as localhost:8080,
// or a URL.
func baseURL(flag, value string) (string, error) {
	if !strings.Contains(value, "://") {
		if err := checkAddress(value); err != nil {
			return "", usageError{fmt.Sprintf("%s must be an address such as localhost:8080 or a URL such as https://pair.example.com", flag)}
		}
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usageError{fmt.Sprintf("%s must be an address such as localhost:8080 or a URL such as https://pair.example.com", flag)}
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// brokerURL reads where a broker takes MQTT: an address such as localhost:1883, or a
// URL with mqtt:// or mqtts://.
func brokerURL(flag, value string) (string, error) {
	scheme, address, ok := strings.Cut(value, "://")
	if !ok {
		scheme, address = "mqtt", value
	}
	if err := checkAddress(address); err != nil || scheme != "mqtt" && scheme != "mqtts" {
		return "", usageError{fmt.Sprintf("%s must be an address such as localhost:1883 or mqtts://example.com:8883", flag)}
	}
	return scheme + "://" + address, nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil && port == "" {
		err = fmt.Errorf("%q has no port", s)
	}
	return err
}
