// Package mototest gives tests an AWS account in a process of its own: moto, which
// answers as AWS does for much of what operators' commands call.
package mototest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/restock-dev/restock/internal/deployed"
)

// Stack is the name of the stack that [Deploy] makes.
const Stack = "restock-test"

const region = "us-east-1"

var keys = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "canary-aws-secret", "")

func endpoint() *string { return aws.String(os.Getenv("AWS_ENDPOINT_URL")) }

// patience ends a test for which moto never answers.
const patience = 60 * time.Second

// Environ starts moto and returns the environment of a command that takes it for AWS, an
// empty account for each test. Without moto_server on the PATH the test is skipped; with
// CI=true it fails.
func Environ(t *testing.T) []string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("moto_server is not there: pip install 'moto[server]'")
		}
		t.Skip("moto_server is not there: pip install 'moto[server]'")
	}
	port := freePort(t)
	server := exec.Command(path, "-H", "127.0.0.1", "-p", port)
	log, err := os.Create(filepath.Join(t.TempDir(), "moto.log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // killed
		_ = log.Close()
	})
	endpoint := "http://127.0.0.1:" + port
	await(t, endpoint)
	home := t.TempDir()
	return []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=canary-aws-secret",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=", "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=" + filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(home, "credentials"),
	}
}

// Deploy makes a stack of what moto's CloudFormation knows of template.yaml, opens it, and
// puts environ into the variables of this process.
func Deploy(t *testing.T, environ []string) *deployed.Stack {
	t.Helper()
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
		if value == "" {
			_ = os.Unsetenv(name) // Setenv puts it back
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := cloudformation.New(cloudformation.Options{Region: region, BaseEndpoint: endpoint(), Credentials: keys})
	text, secrets := template(t)
	makeSecrets(ctx, t, secrets)
	makePolicy(ctx, t)
	_, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String(Stack), TemplateBody: &text, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	if err != nil {
		t.Fatalf("making the stack: %v", err)
	}
	s, err := deployed.Open(ctx, deployed.Options{Stack: Stack})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T) []byte {
	t.Helper()
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		text, err := os.ReadFile(filepath.Join(dir, "template.yaml"))
		if err == nil {
			return text
		}
		if abs, _ := filepath.Abs(dir); abs == filepath.Dir(abs) {
			t.Fatal("template.yaml is in no folder above this one")
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func await(t *testing.T, endpoint string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		res, err := http.Get(endpoint + "/moto-api/")
		if err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("moto does not answer at %s: %v", endpoint, err)
		}
	}
}
