package client

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/holdfast-registry/holdfast/internal/bootclock"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// The defaults of the options.
const (
	// DefaultRetryTimeout is how long a call is tried again.
	DefaultRetryTimeout = 10 * time.Second
	// DefaultAttemptTimeout is how long one try of a call may take.
	DefaultAttemptTimeout = 5 * time.Second
)

// Client is a connection to a cluster. All methods are safe for concurrent use.
type Client struct {
	options options
	targets *targets
	// sessions is nil when the client uses none.
	sessions *sessionPool
	watches  *watchStream
	// ctx ends with Close, and waiting calls with it.
	ctx   context.Context
	close context.CancelFunc

	tierMu sync.Mutex
	tier   registry.DurabilityTier
}

var (
	_ registry.Registry = (*Client)(nil)
	_ registry.Admin    = (*Client)(nil)
	_ registry.Fences   = (*Client)(nil)
	_ registry.Queue    = (*Client)(nil)
	_ registry.Batches  = (*Client)(nil)
	_ registry.Sessions = (*Client)(nil)
)

type options struct {
	retryTimeout   time.Duration
	attemptTimeout time.Duration
	logger         *slog.Logger
	dial           []grpc.DialOption
	noSessions     bool
	// bootClock is what the trust in leases is counted by.
	bootClock func() time.Duration
	// streamSilence is how long a stream may say nothing before it counts as dead.
	streamSilence time.Duration
}

// Option changes how a Client behaves.
type Option func(*options)

// WithRetryTimeout bounds how long after its beginning a call is tried again.
// A try that is under way then is not cut off, so a call may last this long and
// one attempt timeout more. With 0 every call is tried once. The default is
// DefaultRetryTimeout.
func WithRetryTimeout(timeout time.Duration) Option {
	return func(o *options) { o.retryTimeout = timeout }
}

// WithAttemptTimeout bounds one try of a call, so that an address that swallows
// everything does not eat all of the time. A write whose try was sent and ends
// this way is OutcomeUnknown. It does not bound calls that take long by their
// nature: PruneTerminalProcesses and the changing methods of registry.Admin
// last until their context ends. The default is DefaultAttemptTimeout.
func WithAttemptTimeout(timeout time.Duration) Option {
	return func(o *options) { o.attemptTimeout = timeout }
}

// WithoutSessions makes the client send its writes without a session: one whose
// answer was lost ends with OutcomeUnknown then instead of being tried again.
// It saves a program that makes a single call the opening of a session.
func WithoutSessions() Option {
	return func(o *options) { o.noSessions = true }
}

// WithLogger makes the client log, at debug level, what it tries again and
// where it goes. By default it logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.logger = logger }
}

// WithDialOptions adds gRPC options to every connection, such as transport
// credentials; without any, connections are plaintext. Retry policies must not
// be among them: gRPC would repeat writes that may have happened.
func WithDialOptions(dial ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, dial...) }
}

// Dial makes a client of the cluster whose nodes are at these addresses
// (host:port). One is enough, more let the client go on when a node is down. It
// does not wait for a connection: an address where nobody listens shows in the
// first call. Errors: InvalidArgument.
func Dial(addrs []string, opts ...Option) (*Client, error) {
	o := options{
		retryTimeout:   DefaultRetryTimeout,
		attemptTimeout: DefaultAttemptTimeout,
		logger:         slog.New(slog.DiscardHandler),
		bootClock:      bootclock.Now,
		streamSilence:  defaultSilence,
	}
	for _, opt := range opts {
		opt(&o)
	}
	if o.attemptTimeout <= 0 {
		return nil, invalid("attempt_timeout", "the attempt timeout is %s and must be positive", o.attemptTimeout)
	}
	if len(addrs) == 0 {
		return nil, invalid("addrs", "no address of a node is given")
	}
	targets := newTargets(func(addr string) (*grpc.ClientConn, error) { return o.connect(addr) })
	for _, addr := range addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			targets.close()
			return nil, invalid("addrs", "%q is not the host:port of a node: %v", addr, err)
		}
		if err := targets.give(addr); err != nil {
			targets.close()
			return nil, invalid("addrs", "%q cannot be dialed: %v", addr, err)
		}
	}
	c := &Client{options: o, targets: targets}
	if !o.noSessions {
		c.sessions = &sessionPool{open: c.OpenSession}
	}
	c.watches = newWatchStream(c)
	c.ctx, c.close = context.WithCancel(context.Background())
	return c, nil
}

func invalid(field, format string, args ...any) error {
	return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: field}, format, args...)
}

// Close closes the client's sessions, for which it waits a second at most, and
// all connections. Calls under way fail, a sent write among them with
// OutcomeUnknown; later ones fail with NoLeader.
func (c *Client) Close() error {
	if c.sessions != nil {
		c.sessions.close(c.CloseSession)
	}
	c.watches.close(c.close)
	c.targets.close()
	return nil
}

// connect makes a connection; the user's options come last and win.
func (o *options) connect(addr string) (*grpc.ClientConn, error) {
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A node that comes back should be found soon.
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			// Half a try, so that a black hole shows as a connection that
			// failed, with nothing sent, and not as an unknown outcome.
			MinConnectTimeout: o.attemptTimeout / 2,
		}),
		// What is tried again is decided here and nowhere else.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes),
			grpc.MaxCallSendMsgSize(wire.MaxMessageBytes),
		),
	}
	return grpc.NewClient("dns:///"+addr, append(dial, o.dial...)...)
}
