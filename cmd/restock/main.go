// Command restock runs Restock on one machine, plays devices against it, and looks
// at what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, for scripts.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitSignIn = 3 // somebody has to sign in or pair first
)

type commands struct {
	Up        upCommand        `cmd:"" help:"Run Restock on this machine, with a sandbox in place of Amazon."`
	Device    deviceCommand    `cmd:"" help:"Be a device in this terminal: pair, then press its button with Enter."`
	Press     pressCommand     `cmd:"" help:"Press a device's button once, over MQTT."`
	Demo      demoCommand      `cmd:"" help:"Play the whole story without a person, and print it."`
	Sandbox   sandboxCommand   `cmd:"" help:"Run the sandbox alone, for the tests of other software."`
	Login     loginCommand     `cmd:"" help:"Sign in with Amazon from this terminal."`
	Token     tokenCommand     `cmd:"" help:"Print a valid access token, for scripts."`
	Doctor    doctorCommand    `cmd:"" help:"Find what is wrong with a set-up, and explain errors."`
	Devices   devicesCommand   `cmd:"" help:"Look at devices, of a running restock up or of a stack, and free them."`
	Status    statusCommand    `cmd:"" help:"Say how a running restock up is doing."`
	Redrive   redriveCommand   `cmd:"" help:"Put back messages that were given up, of a stack or of a restock up."`
	Keys      keysCommand      `cmd:"" help:"Look at, rotate and tidy the key ring that seals tokens."`
	Provision provisionCommand `cmd:"" help:"Make a device known to AWS IoT Core, for a deployed stack."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

const description = `Ties Amazon Dash Replenishment devices to their customers, keeps their tokens fresh, and places
an order when a device asks.

Begin with "restock up", or see the whole story with "restock demo".`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run parses and runs one command line and returns the exit code.
func run(args []string, stdin *os.File, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	var cli commands
	t := &terminal{in: stdin, out: stdout, err: stderr, color: wantsColor(stdout), live: isTerminal(stdout)}
	exit := -1
	parser, err := kong.New(&cli,
		kong.Name("restock"), kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.ValueFormatter(helpOf),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
	if err != nil {
		return fail(stderr, err) // a fault of ours: the command line can't be described
	}
	parsed, err := parser.Parse(usual(args))
	switch {
	case exit >= 0: // help was printed
		return exit
	case err != nil:
		return fail(stderr, misused(err))
	}
	err = parsed.Run()
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		err = errors.New("stopped") // whoever did that knows the rest
	}
	if err == nil {
		err = t.printed()
	}
	return fail(stderr, err)
}

// misused points to the help of the command that was meant.
func misused(err error) usageError {
	command := "restock"
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context.Selected() != nil {
		command = wrong.Context.Selected().FullPath()
	}
	return usageError{strings.TrimSuffix(err.Error(), ".") + `; see "` + command + ` --help"`}
}

// usual turns what people try first into commands of ours: nothing, help and --version.
func usual(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// helpOf names the variable of a flag in its help, also where the flag reads it later.
func helpOf(v *kong.Value) string {
	variable := v.Tag.Get("variable")
	if variable == "" {
		return kong.DefaultHelpValueFormatter(v)
	}
	return strings.TrimSuffix(v.Help, ".") + " ($" + variable + ")."
}

// fail prints err as one sentence and returns the exit code that goes with it.
func fail(w io.Writer, err error) int {
	var usage usageError
	var quiet quietError
	var signIn signInError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return exitFailed
	}
	fmt.Fprintf(w, "restock: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &signIn):
		return exitSignIn
	}
	return exitFailed
}

// usageError is a command line that can't be right.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// quietError ends a command whose output has already said what went wrong.
type quietError struct{}

func (quietError) Error() string { return "failed" }
