package main

import (
	"runtime"
	"runtime/debug"
)

// version is set when a release is linked.
var version string

type versionCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

func (c *versionCommand) Run(t *terminal) error {
	v := buildVersion()
	if c.JSON {
		return t.json(map[string]string{"version": v, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	t.printf("restock %s (%s, %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}
