package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// The files of a data folder.
const (
	logFile = "raft.db"
	// lockWait is how long opening waits for another process that still holds
	// the folder, as it does in a quick restart.
	lockWait = 2 * time.Second
)

// keyIdentity is where the stable store keeps the node's identity, beside
// raft's own keys.
var keyIdentity = []byte("holdfast/identity")

// store holds raft's log, and what raft and the identity must not forget.
type store interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

// Storage is the data folder of a node: raft's log and stable store in one bolt
// file, and the snapshots.
type Storage struct {
	// LogStore is what raft appends to. Fault injection may put a store of its
	// own around it before the node is opened.
	LogStore raft.LogStore

	dir       string
	store     store
	snapshots *snapshotStore
	identity  *Identity
}

// identityFormat is the number of the identity record's layout.
const identityFormat = 1

// identityRecord is what a node knows for good about itself and its peers. It
// is JSON, since a person may have to read it.
type identityRecord struct {
	Format     int               `json:"format"`
	NodeID     string            `json:"node_id"`
	InstanceID string            `json:"instance_id"`
	ClusterID  string            `json:"cluster_id,omitempty"`
	Members    map[string]string `json:"members,omitempty"`
}

// OpenStorage opens the data folder of a node, and makes it when there is none.
// A folder that holds a part of a node's data only, or another node's, is
// refused: a node that starts empty under its old id would vote twice.
func OpenStorage(dir, nodeID string) (*Storage, error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	path := filepath.Join(dir, logFile)
	info, statErr := os.Stat(path)
	// An empty file would be taken for a new one.
	lost := errors.Is(statErr, os.ErrNotExist) || statErr == nil && info.Size() == 0
	if lost && hasSnapshots(dir) {
		return nil, fmt.Errorf("data folder %s has snapshots but no %s with anything in it: this node lost its log. "+
			"Bring the file back, or remove the node from the cluster and join it under a new id with an empty folder", dir, logFile)
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path:        path,
		NoSync:      mutant == skipsFsync,
		BoltOptions: &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true},
	})
	if err != nil {
		if errors.Is(err, bbolterrors.ErrTimeout) {
			return nil, fmt.Errorf("data folder %s is in use by another process: stop that one first", dir)
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	store := testStore(bolt)
	snapshots, err := openSnapshots(dir)
	if err != nil {
		store.Close()
		return nil, fmt.Errorf("snapshot folder: %w", err)
	}
	// Neither bolt nor raft makes the names last of what they have made here.
	if err := syncFolder(dir); err != nil {
		store.Close()
		return nil, fmt.Errorf("data folder: %w", err)
	}
	identity, err := openIdentity(store, nodeID)
	if err != nil {
		store.Close()
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return &Storage{LogStore: store, dir: dir, store: store, snapshots: snapshots, identity: identity}, nil
}

// makeFolder makes a data folder whose name outlives loss of power.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// syncFolder makes the names in a folder last: to sync a file does not, unless
// the file system does more than it has to.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders are not synced there
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func hasSnapshots(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, snapshotFolder))
	return err == nil && len(entries) > 0
}

// Identity returns who this node is and whom it has met.
func (s *Storage) Identity() *Identity { return s.identity }

// Close closes the files. The node must be closed before.
func (s *Storage) Close() error { return s.store.Close() }

// openIdentity reads the identity record, or makes one for a new folder.
func openIdentity(store raft.StableStore, nodeID string) (*Identity, error) {
	data, err := store.Get(keyIdentity)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	i := &Identity{store: store}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &i.record); err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		if i.record.Format != identityFormat {
			return nil, fmt.Errorf("identity of format %d, this program reads %d", i.record.Format, identityFormat)
		}
		if i.record.NodeID != nodeID {
			return nil, fmt.Errorf("it belongs to node %s, not %s: give each node its own folder", i.record.NodeID, nodeID)
		}
		return i, nil
	}
	var random [16]byte
	rand.Read(random[:])
	i.record = identityRecord{Format: identityFormat, NodeID: nodeID, InstanceID: hex.EncodeToString(random[:])}
	return i, i.save()
}
