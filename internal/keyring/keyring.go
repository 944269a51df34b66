// Package keyring changes the key ring of a deployed stack, in its secret.
//
// A change is a new version of the secret, written beside the present one, to which the
// label AWSCURRENT is then moved on condition that the present version still has it. So of
// two operators at the same time one is told, and no key is lost.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/seal"
)

// ErrChanged is returned when somebody else has changed the ring at the same time.
var ErrChanged = errors.New("the key ring was changed by somebody else at the same time: nothing was changed, look at it and try again")

// Secret is a key ring in Secrets Manager.
type Secret struct {
	ID   string
	Get  func(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	Put  func(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	Move func(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Of returns the key ring of s.
func Of(s *deployed.Stack) (*Secret, error) {
	id, err := s.Resource("KeysSecret")
	if err != nil {
		return nil, err
	}
	c := secretsmanager.NewFromConfig(s.AWS())
	return &Secret{id, c.GetSecretValue, c.PutSecretValue, c.UpdateSecretVersionStage}, nil
}

const current = "AWSCURRENT"

// version is a version of the secret, with its text.
type version struct {
	id   string
	text []byte
	made time.Time
}

func (s *Secret) read(ctx context.Context) (version, error) {
	out, err := s.Get(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.ID, VersionStage: aws.String(current)})
	if err != nil {
		return version{}, deployed.Explain(err)
	}
	v := version{id: aws.ToString(out.VersionId), text: []byte(aws.ToString(out.SecretString)), made: aws.ToTime(out.CreatedDate)}
	if out.SecretString == nil {
		v.text = out.SecretBinary
	}
	return v, nil
}

// Ring reads the ring, and when it was last changed.
func (s *Secret) Ring(ctx context.Context) (*seal.Ring, time.Time, error) {
	v, err := s.read(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	r, err := seal.Parse(v.text)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("reading key ring in secret %s: %w", s.ID, err)
	}
	return r, v.made, nil
}

// Change replaces the ring by what change makes of its text.
//
// Errors: that of change, [ErrChanged], and those of [deployed.Explain].
func (s *Secret) Change(ctx context.Context, change func(text []byte) ([]byte, error)) error {
	now, err := s.read(ctx)
	if err != nil {
		return err
	}
	next, err := change(now.text)
	if err != nil {
		return err
	}
	// A version without a label would be deleted at once, so this one has one of its own.
	label := aws.String("RESTOCK-" + now.id)
	put, err := s.Put(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &s.ID, SecretString: aws.String(string(next)), VersionStages: []string{*label},
	})
	if err != nil {
		return deployed.Explain(err)
	}
	_, moved := s.Move(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &s.ID, VersionStage: aws.String(current), RemoveFromVersionId: &now.id, MoveToVersionId: put.VersionId,
	})
	// Nobody reads the label; should it stay, it is in nobody's way.
	_, _ = s.Move(context.WithoutCancel(ctx), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &s.ID, VersionStage: label, RemoveFromVersionId: put.VersionId,
	})
	if moved == nil {
		return nil
	}
	return s.settle(ctx, now.id, aws.ToString(put.VersionId), moved)
}

// settle finds out what became of a move that was not confirmed.
func (s *Secret) settle(ctx context.Context, before, after string, moved error) error {
	v, err := s.read(ctx)
	var refused *types.InvalidParameterException
	var invalid *types.InvalidRequestException
	switch {
	case err != nil:
		return fmt.Errorf("whether the key ring was changed is not known, look at it: %w", deployed.Explain(moved))
	case v.id == after: // only the answer was lost
		return nil
	case v.id != before, errors.As(moved, &refused), errors.As(moved, &invalid):
		return ErrChanged
	}
	return deployed.Explain(moved)
}
