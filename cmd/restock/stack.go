package main

import (
	"bufio"
	"context"
	"errors"
	"strings"

	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/local"
)

// awsFlags name a deployed stack. None of them is a secret: credentials come from where
// the AWS command line has them.
type awsFlags struct {
	Region  string `placeholder:"REGION" help:"AWS region of the stack. Default: that of the AWS command line."`
	Profile string `placeholder:"NAME" help:"Profile of the AWS command line to use."`
}

// place is where an operator's command works.
type place struct {
	Stack string `placeholder:"NAME" help:"Deployed stack to work on. Default: the restock up of this machine."`
	awsFlags
	Data string `placeholder:"FILE" env:"RESTOCK_DATA" help:"Data file of the restock up. Default: in the user's data directory."`
}

// deployed reports whether it is a stack, and refuses what does not fit together.
func (p *place) deployed() (bool, error) {
	if p.Stack == "" && (p.Region != "" || p.Profile != "") {
		return false, usageError{"--region and --profile need --stack"}
	}
	return p.Stack != "", nil
}

func (p *place) open(ctx context.Context, t *terminal) (*deployed.Stack, error) {
	return openStack(ctx, t, p.Stack, p.awsFlags)
}

func openStack(ctx context.Context, t *terminal, name string, f awsFlags) (*deployed.Stack, error) {
	t.progress("looking for the stack " + name)
	defer t.progress("")
	return deployed.Open(ctx, deployed.Options{Stack: name, Region: f.Region, Profile: f.Profile})
}

func (p *place) data() (string, error) {
	if p.Data != "" {
		return p.Data, nil
	}
	return local.DefaultData()
}

// errDeclined ends a command that its operator said no to.
var errDeclined = errors.New("nothing was changed")

// canAsk reports whether a person can be asked.
func (t *terminal) canAsk() bool { return isTerminal(t.in) && isTerminal(t.err) }

// confirm asks a question that yes has to answer. Where nobody can be asked, yes must
// have been said before, by --yes.
func (t *terminal) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !t.canAsk() {
		return usageError{"nobody can be asked here: say --yes"}
	}
	t.progress("")
	_, _ = t.err.WriteString(question + " [y/N] ") // seen or not
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(t.in).ReadString('\n') // "" at its end
		answer <- line
	}()
	select {
	case line := <-answer:
		if l := strings.ToLower(strings.TrimSpace(line)); l != "y" && l != "yes" {
			return errDeclined
		}
		return nil
	case <-ctx.Done():
		return errDeclined
	}
}
