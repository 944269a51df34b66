//go:build unix

package local_test

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/local"
)

// Not even while it is being opened can others reach the admin socket, whatever the umask.
func TestSocketIsNeverOpenToOthers(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	data := filepath.Join(t.TempDir(), "restock.db")
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if info, err := os.Lstat(data + ".sock"); err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the socket has mode %v", info.Mode())
				return
			}
		}
	})
	for range 50 {
		_, err := local.Open(t.Context(), &config.Config{ // without its secret: it ends after listening
			HTTP: "127.0.0.1:0", MQTT: "127.0.0.1:0", Sandbox: "127.0.0.1:0", Data: data, LWAClientID: "amzn1.application-oa2-client.x",
		}, "test")
		if err == nil {
			t.Fatal("a client ID without secret was taken")
		}
	}
	close(stop)
	watch.Wait()
}
