package local

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// sessions remembers for each connection the hash of the device key that it was admitted
// with, "" where it is trusted. A newer connection of the same thing has its own: an
// older one must not pass for it, not even with the will that it leaves behind.
type sessions struct {
	mu     sync.Mutex
	hashes map[*mqtt.Client]string
	newest map[string]*mqtt.Client // by client ID
}

func (s *sessions) admit(cl *mqtt.Client, hash string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashes == nil {
		s.hashes, s.newest = map[*mqtt.Client]string{}, map[string]*mqtt.Client{}
	}
	if older := s.newest[cl.ID]; older != nil && older.Closed() { // nobody will tell of its end again
		delete(s.hashes, older)
	}
	s.hashes[cl], s.newest[cl.ID] = hash, cl
}

func (s *sessions) hash(cl *mqtt.Client) (hash string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash, known = s.hashes[cl]
	return hash, known
}

func (s *sessions) forget(cl *mqtt.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hashes, cl)
	if s.newest[cl.ID] == cl {
		delete(s.newest, cl.ID)
	}
}
