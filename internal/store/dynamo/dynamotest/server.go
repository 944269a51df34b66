// Package dynamotest gives tests a DynamoDB, and tables like the deployed one in it.
//
// The server is the one at the URL RESTOCK_TEST_DYNAMODB, such as DynamoDB Local or a
// dynalite that runs already, or a dynalite of the test's own: that of the path
// RESTOCK_DYNALITE, or the one that npm ci has installed in
// internal/store/dynamo/testdata/dynalite. Where there is none of them the test is
// skipped; with CI=true it fails.
package dynamotest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Client returns a client of a DynamoDB that is there for the time of the test.
func Client(t testing.TB, options ...func(*dynamodb.Options)) *dynamodb.Client {
	t.Helper()
	return NewClient(URL(t), options...)
}

// NewClient returns a client of the server at a URL, with credentials that no real
// DynamoDB takes.
func NewClient(url string, options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, options...)
}

// Table makes a table for the time of the test and returns its name.
func Table(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	name := "restock-" + rand.Text()
	if err := CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("deleting table %s: %v", name, err)
		}
	})
	return name
}

// URL returns where a DynamoDB answers for the time of the test.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("RESTOCK_TEST_DYNAMODB"); url != "" {
		return url
	}
	path, ok := dynalite()
	if !ok {
		const missing = "no DynamoDB: run npm ci in internal/store/dynamo/testdata/dynalite, or set RESTOCK_TEST_DYNAMODB to the URL of a server"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	url, stop, err := Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

// dynalite returns the path of the command.
func dynalite() (path string, ok bool) {
	if path := os.Getenv("RESTOCK_DYNALITE"); path != "" {
		return path, true
	}
	root, err := root()
	if err != nil {
		return "", false
	}
	path = filepath.Join(root, "internal/store/dynamo/testdata/dynalite/node_modules/.bin/dynalite")
	_, err = os.Stat(path)
	return path, err == nil
}

// Start starts the dynalite at path on loopback, and returns its URL once it answers,
// and what ends it.
func Start(ctx context.Context, path string) (url string, stop func(), err error) {
	port, err := freePort(ctx)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--createTableMs", "0", "--deleteTableMs", "0") //nolint:gosec,noctx // G204: the path is the developer's; it ends by stop
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting dynalite: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // with the error that it was killed
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // the line with its address
		stop()
		return "", nil, fmt.Errorf("starting dynalite: %w: %s", errors.Join(err, io.ErrUnexpectedEOF), trouble.String())
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port), stop, nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
