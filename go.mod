module github.com/holdfast-registry/holdfast

go 1.26.0

require (
	// raft v1.8.0 cannot be built with raft-boltdb/v2 v2.3.1 (go-metrics/compat
	// is gone), so these three move together: see docs/adr/0002.
	github.com/hashicorp/go-metrics v0.5.4
	github.com/hashicorp/raft v1.7.3
	github.com/hashicorp/raft-boltdb/v2 v2.3.1
)

require (
	github.com/hashicorp/go-msgpack/v2 v2.1.5
	github.com/klauspost/compress v1.18.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	github.com/spf13/cobra v1.10.2
	github.com/tidwall/btree v1.8.2
	go.etcd.io/bbolt v1.5.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)
