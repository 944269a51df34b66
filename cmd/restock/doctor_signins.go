package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/doctor"
	"github.com/restock-dev/restock/internal/grants"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/tokens"
)

// signInsWait is how long the doctor waits for a command that has the sign-ins open.
const signInsWait = 300 * time.Millisecond

// signIns checks what restock login and token keep beside the data file, if anything.
func (c *doctorCheck) signIns(ctx context.Context, f *doctor.Findings, cfg *config.Config) {
	const check = "sign-ins"
	path, ringPath := local.GrantsPath(cfg.Data), local.RingPath(cfg.Data)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	ring, err := seal.ReadFile(ringPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Fail(check, ringPath, "Put it back from a copy, or sign in again.", "The key ring is missing, so the sign-ins in %s can't be opened.", path)
		return
	case err != nil: // the key ring's own check says why
		return
	}
	limited, cancel := context.WithTimeout(ctx, signInsWait)
	defer cancel()
	file, err := grants.Open(limited, path, ring, nil)
	switch {
	case err != nil && errors.Is(err, context.Cause(limited)):
		f.OK(check, "They were not tried: another command has them open.")
		return
	case err != nil:
		f.Fail(check, path, remedy(err), "%s.", err)
		return
	}
	defer func() { _ = file.Close() }() // nothing was written
	all, err := file.List()
	if err != nil {
		f.Fail(check, path, "Move it away and sign in again.", "%s.", err)
		return
	}
	checkGrants(ctx, f, file, all, ringPath, dataFlag(c.Data))
}

// checkGrants checks the sign-ins among all grants: LWA gives an application a new token at
// any time. flags go with a command that signs in again.
func checkGrants(ctx context.Context, f *doctor.Findings, file *grants.File, all []grants.Grant, ringPath, flags string) {
	const check = "sign-ins"
	good := 0
	for _, g := range all {
		if g.Kind != grants.Customer {
			continue
		}
		again, scopes := loginAgain(g)+flags, strings.Join(g.Scopes, " ")
		err := file.Check(ctx, g)
		switch {
		case err == nil:
			good++
		case errors.As(err, new(*tokens.GrantEndedError)):
			f.Warn(check, "", "Sign in again with: "+again, "That for %s gives no token any more: %s.", scopes, err)
		case errors.As(err, new(*tokens.SealError)):
			f.Fail(check, ringPath, "Put the entry back that sealed it, or sign in again with: "+again, "That for %s does not open with the key ring.", scopes)
		default:
			f.Fail(check, file.Path(), "Move it away and sign in again.", "That for %s can't be read: %s.", scopes, err)
		}
	}
	if good > 0 {
		f.OK(check, "The key ring opens %d in %s.", good, file.Path())
	}
}
