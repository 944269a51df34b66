package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/restock-dev/restock/internal/keyring"
	"github.com/restock-dev/restock/internal/seal"
)

const ring = `{"primary":"k1","k1":"canary-0123456789abcdef0123456789abcdef"}`

// vault is a secret in Secrets Manager: a label is on one version, and moves away only from
// the one that has it.
type vault struct {
	texts  map[string]string // version → text
	labels map[string]string // label → version
	n      int

	beforeMove func()
	loseMove   bool  // the label moves, and the answer is lost
	fail       error // of a move
}

func newVault() *vault {
	v := &vault{texts: map[string]string{"v0": ring}, labels: map[string]string{"AWSCURRENT": "v0"}}
	return v
}

func (v *vault) secret() *keyring.Secret {
	return &keyring.Secret{ID: "keys", Get: v.get, Put: v.put, Move: v.move}
}

func (v *vault) current() string { return v.texts[v.labels["AWSCURRENT"]] }

func (v *vault) get(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	id := v.labels[*in.VersionStage]
	return &secretsmanager.GetSecretValueOutput{VersionId: &id, SecretString: aws.String(v.texts[id])}, nil
}

func (v *vault) put(_ context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	v.n++
	id := fmt.Sprintf("v%d", v.n)
	v.texts[id] = *in.SecretString
	for _, l := range in.VersionStages {
		v.labels[l] = id
	}
	if len(in.VersionStages) == 0 {
		v.labels["AWSCURRENT"] = id
	}
	return &secretsmanager.PutSecretValueOutput{VersionId: &id}, nil
}

func (v *vault) move(_ context.Context, in *secretsmanager.UpdateSecretVersionStageInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	current := *in.VersionStage == "AWSCURRENT"
	if current && v.beforeMove != nil {
		do := v.beforeMove
		v.beforeMove = nil
		do()
	}
	if current && v.fail != nil {
		return nil, v.fail
	}
	if v.labels[*in.VersionStage] != aws.ToString(in.RemoveFromVersionId) {
		return nil, &types.InvalidParameterException{Message: aws.String("the label is not there")}
	}
	if in.MoveToVersionId == nil {
		delete(v.labels, *in.VersionStage)
	} else {
		v.labels[*in.VersionStage] = *in.MoveToVersionId
	}
	if current && v.loseMove {
		return nil, errors.New("the answer was lost")
	}
	return &secretsmanager.UpdateSecretVersionStageOutput{}, nil
}

func add(text []byte) ([]byte, error) { next, _, err := seal.Add(text); return next, err }

func TestChange(t *testing.T) {
	v := newVault()
	if err := v.secret().Change(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	r, _, err := v.secret().Ring(t.Context())
	if err != nil || len(r.IDs()) != 2 || r.Primary() == "k1" || !r.Has("k1") {
		t.Errorf("the ring is %v with %v, %v", r, r.IDs(), err)
	}
	if len(v.labels) != 1 {
		t.Errorf("labels are left: %v", v.labels)
	}
	if err := v.secret().Change(t.Context(), func([]byte) ([]byte, error) { return nil, errors.New("no") }); err == nil || v.n != 1 {
		t.Errorf("Change() = %v with %d versions written, want the error of the change and none", err, v.n)
	}
}

// Two operators at once: one is told, and what the other has added is there.
func TestChangeAtOnce(t *testing.T) {
	v := newVault()
	var other error
	v.beforeMove = func() { other = v.secret().Change(t.Context(), add) }
	err := v.secret().Change(t.Context(), add)
	if !errors.Is(err, keyring.ErrChanged) || other != nil {
		t.Fatalf("Change() = %v and %v, want one to be told", err, other)
	}
	r, _, err := v.secret().Ring(t.Context())
	if err != nil || len(r.IDs()) != 2 || !r.Has("k1") {
		t.Errorf("the ring has %v, %v", r.IDs(), err)
	}
	if err := v.secret().Change(t.Context(), add); err != nil {
		t.Errorf("Change() again = %v", err)
	}
	if r, _, err := v.secret().Ring(t.Context()); err != nil || len(r.IDs()) != 3 {
		t.Errorf("the ring has %v, %v", r.IDs(), err)
	}
}

func TestChangeInTrouble(t *testing.T) {
	v := newVault()
	v.loseMove = true
	if err := v.secret().Change(t.Context(), add); err != nil || strings.Count(v.current(), `":"`) != 3 {
		t.Errorf("Change() whose answer was lost = %v", err)
	}
	v = newVault()
	v.fail = errors.New("AWS is away")
	if err := v.secret().Change(t.Context(), add); err == nil || errors.Is(err, keyring.ErrChanged) || v.current() != ring {
		t.Errorf("Change() that failed = %v", err)
	}
	v = newVault()
	v.texts["v0"] = "canary-damaged"
	if _, _, err := v.secret().Ring(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "secret keys") {
		t.Errorf("Ring() of what is none = %v", err)
	}
	if err := v.secret().Change(t.Context(), add); err == nil || strings.Contains(err.Error(), "canary") || v.n != 0 {
		t.Errorf("Change() of what is no ring = %v", err)
	}
}

func TestTally(t *testing.T) {
	r, err := seal.Parse([]byte(ring))
	if err != nil {
		t.Fatal(err)
	}
	one, err := r.Seal("A::1", seal.FieldAccessToken, "token")
	if err != nil {
		t.Fatal(err)
	}
	two := strings.Replace(one, ".k1.", ".k2.", 1)
	used := map[string]int{}
	keyring.Tally(used, one, one)
	keyring.Tally(used, one, two)
	keyring.Tally(used, "", "no sealed text")
	if used["k1"] != 2 || used["k2"] != 1 || len(used) != 2 {
		t.Errorf("Tally() = %v, want two records of k1 and one of k2", used)
	}
	if ids := slices.Sorted(slices.Values(r.IDs())); len(ids) != 1 || ids[0] != "k1" {
		t.Errorf("IDs() = %v", ids)
	}
}
