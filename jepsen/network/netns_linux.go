package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The names of what is made in the kernel: the id of this process follows, so
// that what a program has left behind can be told from what another one uses.
const (
	namespacePrefix = "holdfast-"
	linkPrefix      = "hf"
)

// nowhere is the link address of nobody on the bridge.
const nowhere = "02:48:46:00:00:00"

// Namespaces give every node a network stack of its own, joined to this
// program's by a bridge. A direction is cut by telling the sender a wrong link
// address of the receiver: frames leave, and arrive nowhere, as on a broken
// switch. That needs nothing of the kernel beside the namespaces themselves,
// neither netfilter nor netem.
type Namespaces struct {
	bridge string
	subnet string // the first three numbers of its addresses

	mu    sync.Mutex
	hosts map[string]*host
	cuts  map[Link]bool
}

// host is one end of links.
type host struct {
	ip string
	// namespace is empty for this program's own; device is its way out there, and
	// outside the other end of that, on the bridge.
	namespace, device, outside string
}

var _ Network = (*Namespaces)(nil)

// NewNamespaces makes the bridge, and takes away what earlier programs have
// left. Errors say what is missing: root, or the ip command.
func NewNamespaces() (*Namespaces, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root; use the proxy")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, errors.New("network namespaces need the ip command of iproute2; install it, or use the proxy")
	}
	if err := cleanUp(); err != nil {
		return nil, err
	}
	n := &Namespaces{bridge: linkPrefix + strconv.Itoa(os.Getpid()), hosts: make(map[string]*host), cuts: make(map[Link]bool)}
	subnet, err := freeSubnet()
	if err != nil {
		return nil, err
	}
	n.subnet = subnet
	n.hosts[Clients] = &host{ip: subnet + ".1", device: n.bridge}
	for _, words := range [][]string{
		{"link", "add", n.bridge, "type", "bridge"},
		{"addr", "add", subnet + ".1/24", "dev", n.bridge},
		{"link", "set", n.bridge, "up"},
	} {
		if err := ip(words...); err != nil {
			return nil, errors.Join(fmt.Errorf("network namespaces: %w", err), n.Close())
		}
	}
	return n, nil
}

// ip runs the ip command.
func ip(words ...string) error {
	out, err := exec.Command("ip", words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// freeSubnet finds addresses that nothing is routed to.
func freeSubnet() (string, error) {
	routes, err := exec.Command("ip", "-4", "route", "show", "table", "all").Output()
	if err != nil {
		return "", fmt.Errorf("ip route: %w", err)
	}
	for i := range 250 {
		subnet := fmt.Sprintf("10.217.%d", 1+(os.Getpid()+i)%250)
		if !strings.Contains(string(routes), subnet+".") {
			return subnet, nil
		}
	}
	return "", errors.New("no free addresses in 10.217.0.0/16")
}

// Place makes the namespace of a node. It returns the address of the node in
// it, and the words that bring a command there.
func (n *Namespaces) Place(id string) (address string, enter []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number := len(n.hosts)
	if number > 200 {
		return "", nil, errors.New("too many nodes for the addresses of one subnet")
	}
	pid := strconv.Itoa(os.Getpid())
	h := &host{ip: fmt.Sprintf("%s.%d", n.subnet, number+10), namespace: namespacePrefix + pid + "-" + id, device: "eth0"}
	h.outside = fmt.Sprintf("%s%s.%d", linkPrefix, pid, number)
	n.hosts[id] = h
	for _, words := range [][]string{
		{"netns", "add", h.namespace},
		{"link", "add", h.outside, "type", "veth", "peer", "name", h.device, "netns", h.namespace},
		{"link", "set", h.outside, "master", n.bridge, "up"},
		{"-n", h.namespace, "addr", "add", h.ip + "/24", "dev", h.device},
		{"-n", h.namespace, "link", "set", h.device, "up"},
		{"-n", h.namespace, "link", "set", "lo", "up"},
	} {
		if err := ip(words...); err != nil {
			return "", nil, err
		}
	}
	return h.ip, []string{"ip", "netns", "exec", h.namespace}, nil
}

// Name implements Network.
func (n *Namespaces) Name() string { return "netns" }

// CanDelay implements Network.
func (n *Namespaces) CanDelay() bool { return false }

// Reset implements Network: it does nothing, since what is under way is in the
// kernel's hands. Connections that were cut off go on or time out by themselves.
func (n *Namespaces) Reset(Link) {}

// Set implements Network.
func (n *Namespaces) Set(link Link, rule Rule) error {
	if rule != (Rule{Cut: rule.Cut}) {
		return errors.New("network namespaces can only cut: use the proxy")
	}
	return n.set(link, rule.Cut)
}

func (n *Namespaces) set(link Link, cut bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	from, to := n.hosts[link.From], n.hosts[link.To]
	if from == nil || to == nil {
		return fmt.Errorf("there is no link %s", link)
	}
	if n.cuts[link] == cut {
		return nil
	}
	words := []string{"neigh", "del", to.ip, "dev", from.device}
	if cut {
		words = []string{"neigh", "replace", to.ip, "lladdr", nowhere, "dev", from.device, "nud", "permanent"}
	}
	if from.namespace != "" {
		words = append([]string{"-n", from.namespace}, words...)
	}
	if err := ip(words...); err != nil {
		return err
	}
	n.cuts[link] = cut
	return nil
}

// Heal implements Network.
func (n *Namespaces) Heal() (err error) {
	n.mu.Lock()
	var cut []Link
	for link, is := range n.cuts {
		if is {
			cut = append(cut, link)
		}
	}
	n.mu.Unlock()
	for _, link := range cut {
		err = errors.Join(err, n.set(link, false))
	}
	return err
}

// Close implements Network. Processes in the namespaces must have ended.
func (n *Namespaces) Close() (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, h := range n.hosts {
		if h.namespace != "" {
			// The link goes at once, the namespace when nobody is in it any more.
			err = errors.Join(err, ip("link", "del", h.outside), ip("netns", "del", h.namespace))
			delete(n.hosts, id)
		}
	}
	if n.bridge != "" {
		err = errors.Join(err, ip("link", "del", n.bridge))
		n.bridge = ""
	}
	return err
}

// cleanUp takes away what programs have left that are no more.
func cleanUp() (err error) {
	namespaces, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return fmt.Errorf("ip netns list: %w", err)
	}
	for line := range strings.Lines(string(namespaces)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, namespacePrefix), "-")
		if strings.HasPrefix(name, namespacePrefix) && isGone(owner) {
			err = errors.Join(err, ip("netns", "del", name))
		}
	}
	links, listErr := exec.Command("ip", "-o", "link").Output()
	if err = errors.Join(err, listErr); err != nil {
		return err
	}
	for line := range strings.Lines(string(links)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		// "6: hf123.1@if2: <BROADCAST,…"
		name, _, _ := strings.Cut(strings.TrimSuffix(fields[1], ":"), "@")
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, linkPrefix), ".")
		if strings.HasPrefix(name, linkPrefix) && isGone(owner) {
			err = errors.Join(err, ip("link", "del", name))
		}
	}
	return err
}

// isGone tells whether a text is the id of a process that has ended.
func isGone(pid string) bool {
	number, err := strconv.Atoi(pid)
	return err == nil && number > 0 && errors.Is(syscall.Kill(number, 0), syscall.ESRCH)
}
