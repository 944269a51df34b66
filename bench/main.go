// Command bench measures Restock beside peers in the same run, and prints a table.
//
//	go run ./bench            everything
//	go run ./bench -rounds 3  quickly
//	go run ./bench -only sandboxTokens
//
// See README.md in this folder for what each line means.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// built is where the programs under measurement lie.
type built struct {
	dir                       string // removed at the end
	restock, server, function string
	functions                 map[string]string
}

// measurements in the order of the table.
var measurements = []struct {
	name string
	make func(ctx context.Context, b *built, rounds int) ([]row, error)
}{
	{"startUp", startUp},
	{"startFunctions", startFunctions},
	{"oneToken", oneToken},
	{"oneExpiry", oneExpiry},
	{"warmReplenish", warmReplenish},
	{"warmDynamo", warmDynamo},
	{"sandboxTokens", sandboxTokens},
}

func names() []string {
	var ns []string
	for _, m := range measurements {
		ns = append(ns, m.name)
	}
	return ns
}

func main() {
	rounds := flag.Int("rounds", 15, "how often each thing is measured, 1 to 1000")
	only := flag.String("only", "", "the one measurement to make: "+strings.Join(names(), ", "))
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a line for each press would be measured, too
	if *rounds < 1 || *rounds > 1000 {
		fmt.Fprintln(os.Stderr, "bench: -rounds takes 1 to 1000")
		os.Exit(2)
	}
	if *only != "" && !slices.Contains(names(), *only) {
		fmt.Fprintf(os.Stderr, "bench: -only takes one of %s\n", strings.Join(names(), ", "))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, only string) error {
	b, err := build(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	fmt.Printf("%s, %s/%s, %d CPUs, %d rounds; median [10th–90th percentile]\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)
	fmt.Println("| what | unit | Restock | beside | ratio |\n|---|---|---|---|---|")
	for _, m := range measurements {
		if only != "" && m.name != only {
			continue
		}
		rows, err := m.make(ctx, b, rounds)
		if err != nil {
			return err
		}
		for _, r := range rows {
			fmt.Println(r)
		}
	}
	return nil
}

func build(ctx context.Context) (*built, error) {
	dir, err := os.MkdirTemp("", "restock-bench-")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir, functions: map[string]string{}}
	program := func(path string) string {
		out := filepath.Join(dir, filepath.Base(filepath.Dir(path))+"-"+filepath.Base(path))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", out, "./"+path)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err == nil {
			err = cmd.Run()
		}
		return out
	}
	b.restock = program("cmd/restock")
	b.server = program("bench/peers/server")
	b.function = program("bench/peers/function")
	for name := range firstEvents { // in any order: they are built, not measured
		b.functions[name] = program("functions/" + name)
	}
	return b, err
}
