package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Every line of the documentation and of the help that calls this command is one that it takes.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	parsed := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllSubmatch(text, -1) {
			for line := range strings.Lines(string(block[1])) {
				parsed += parseLine(t, filepath.Base(page), line)
			}
		}
	}
	for _, command := range []string{"redrive", "keys", "devices", "provision", "device", "sandbox"} {
		help := restock(t, nil, command, "--help").out
		for line := range strings.Lines(help) {
			if strings.HasPrefix(line, "    restock ") { // an example
				parsed += parseLine(t, command+" --help", line)
			}
		}
	}
	if parsed < 20 {
		t.Errorf("%d lines were found", parsed)
	}
}

func parseLine(t *testing.T, where, line string) int {
	t.Helper()
	words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1)
	for i := range words {
		words[i] = strings.Trim(words[i], "'")
	}
	if len(words) == 0 || words[0] != "restock" && words[0] != "./bin/restock" {
		return 0
	}
	var cli commands
	parser, err := kong.New(&cli, kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(usual(words[1:])); err != nil {
		t.Errorf("%s: %s: %v", where, strings.TrimSpace(line), err)
	}
	return 1
}
