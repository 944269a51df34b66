package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Secrets reads from Secrets Manager. It remembers nothing.
type Secrets struct {
	get func(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Secrets returns a reader of secrets.
func (a *AWS) Secrets() *Secrets {
	client := secretsmanager.NewFromConfig(a.sdk, func(o *secretsmanager.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("SECRETS_MANAGER"))
	})
	return &Secrets{client.GetSecretValue}
}

// Fetch returns the value of a secret at a stage: AWSCURRENT, AWSPENDING or
// AWSPREVIOUS; "" is AWSCURRENT.
func (s *Secrets) Fetch(ctx context.Context, id, stage string) ([]byte, error) {
	if stage == "" {
		stage = "AWSCURRENT"
	}
	out, err := s.get(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(id), VersionStage: aws.String(stage),
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetching secret %s (%s): %w", id, stage, err)
	case out.SecretString != nil:
		return []byte(*out.SecretString), nil
	default:
		return out.SecretBinary, nil
	}
}
