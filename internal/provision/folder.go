package provision

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/restock-dev/restock/internal/durable"
)

// Files of a device's folder.
const (
	keyFile    = "device.key"
	certFile   = "device.crt"
	deviceFile = "device.json"
	ignoreFile = ".gitignore"
)

// ignored keeps the folder, with its private key, out of a Git repository around it.
const ignored = "*\n"

const maxFile = 64 << 10 // bytes; each of them has few KB

// folder is a device's.
type folder struct{ path string }

func openFolder(path string) (*folder, error) {
	_, err := os.Stat(path)
	ours := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the device: %w", err)
	}
	f := &folder{path}
	if ours {
		return f, f.write(ignoreFile, []byte(ignored))
	}
	return f, nil
}

func (f *folder) read(name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.path, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// write writes a whole file or none.
func (f *folder) write(name string, text []byte) error {
	if err := durable.Replace(filepath.Join(f.path, name), text); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// device returns what an earlier run wrote, nil if there was none.
func (f *folder) device() (*Device, error) {
	text, err := f.read(deviceFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	d := new(Device)
	if err != nil || json.Unmarshal(text, d) != nil || d.CertificateID == "" || d.ARN == "" {
		return nil, fmt.Errorf("%s can't be read: move the folder away to make another certificate", filepath.Join(f.path, deviceFile))
	}
	return d, nil
}

func (f *folder) writeDevice(d *Device) error {
	text, err := json.MarshalIndent(d, "", "  ") //nolint:gosec // G117: private_key is the name of a file
	if err != nil {
		return err
	}
	return f.write(deviceFile, append(text, '\n'))
}

func (f *folder) writeCertificate(text string) error {
	if old, err := f.read(certFile); err == nil && string(old) == text {
		return nil
	}
	return f.write(certFile, []byte(text))
}

// request makes the signing request of the folder's key, which it makes first if there is
// none: on the curve P-256, which small devices are quick with.
func (f *folder) request(name string) ([]byte, error) {
	key, err := f.key()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: shorten(name)}}, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate signing request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// shorten keeps a common name within the 64 characters of X.509. Nobody reads it: the
// certificate is attached to its thing.
func shorten(name string) string { return name[:min(len(name), 64)] }

func (f *folder) key() (*ecdsa.PrivateKey, error) {
	text, err := f.read(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return f.makeKey()
	}
	if err == nil {
		if err := f.private(keyFile); err != nil {
			return nil, err
		}
		if block, _ := pem.Decode(text); block != nil {
			if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%s holds no key of ours: move it away to make another", filepath.Join(f.path, keyFile))
}

// private refuses a file that others than its owner may read: whoever has read a key is as
// good as the device, and no mode takes that back.
func (f *folder) private(name string) error {
	path := filepath.Join(f.path, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // Windows has no such modes
		return fmt.Errorf("%s can be read by others than its owner: move it away to make another key, or chmod 600 it if nobody has", path)
	}
	return nil
}

func (f *folder) makeKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, f.write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// checkRequest refuses what is no signing request, before AWS does it in words of its own.
func checkRequest(text []byte) error {
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("--csr must name a certificate signing request in PEM, as openssl req -new makes it")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil {
		return errors.New("--csr must name a certificate signing request that is signed by its own key")
	}
	return nil
}
