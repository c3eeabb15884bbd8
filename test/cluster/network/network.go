// Package network gives the node its addresses, and each Pod a network of its own
// that a pair of virtual Ethernet devices connects with the node's.
package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// NodeIP is the address of the node, which Pods reach.
	NodeIP = "10.0.0.2"
	// gateway is where Pods send everything: the node's end of their pair.
	gateway = "169.254.1.1"
)

// Node is the network of the node.
type Node struct {
	mu   sync.Mutex
	next int
	free []int
}

// New brings the node's addresses up, in the network that this process is in.
func New() (*Node, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find the loopback device: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return nil, fmt.Errorf("bring the loopback device up: %w", err)
	}
	if err := AddAddress(NodeIP); err != nil {
		return nil, err
	}
	for file, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1", "/proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
	} {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			return nil, fmt.Errorf("set up the network: %w", err)
		}
	}
	return &Node{}, nil
}

// AddAddress gives the node one more address.
func AddAddress(ip string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	if err := netlink.AddrAdd(lo, address(ip)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add the address %s: %w", ip, err)
	}
	return nil
}

// RemoveAddress takes one back.
func RemoveAddress(ip string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	if err := netlink.AddrDel(lo, address(ip)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("remove the address %s: %w", ip, err)
	}
	return nil
}

func address(ip string) *netlink.Addr { return &netlink.Addr{IPNet: host(ip)} }

func host(ip string) *net.IPNet {
	return &net.IPNet{IP: net.ParseIP(ip).To4(), Mask: net.CIDRMask(32, 32)}
}

// Pod is the network of a Pod.
type Pod struct {
	IP     string
	node   *Node
	number int
	ns     netns.NsHandle
	device string
}

// Add makes a network for a Pod.
func (n *Node) Add() (p *Pod, err error) {
	n.mu.Lock()
	if last := len(n.free) - 1; last >= 0 && n.next > 200 { // an address rests before it is used again
		p = &Pod{node: n, number: n.free[0]}
		n.free = n.free[1:]
	} else {
		n.next++
		p = &Pod{node: n, number: n.next}
	}
	n.mu.Unlock()
	p.IP = fmt.Sprintf("10.244.%d.%d", p.number/250, p.number%250+2)
	p.device = fmt.Sprintf("pod%d", p.number)
	if p.ns, err = namespace(); err != nil {
		return nil, err
	}
	if err := p.connect(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect the network of a Pod: %w", err), p.Remove())
	}
	return p, nil
}

// namespace makes an empty network. A descriptor keeps it.
func namespace() (made netns.NsHandle, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := netns.Get()
	if err != nil {
		return 0, fmt.Errorf("find the network of the node: %w", err)
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	if made, err = netns.New(); err != nil {
		return 0, fmt.Errorf("make the network of a Pod: %w", err)
	}
	// The setting is that of the network which the thread is in.
	setting := os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
	return made, errors.Join(setting, netns.Set(before))
}

func (p *Pod) connect() error {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: p.device}, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(p.ns))}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make a pair of devices: %w", err)
	}
	outer, err := netlink.LinkByName(p.device)
	if err != nil {
		return err
	}
	inner, err := netlink.NewHandleAt(p.ns)
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := p.inside(inner); err != nil {
		return err
	}
	if err := netlink.AddrAdd(outer, address(gateway)); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(outer); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{
		LinkIndex: outer.Attrs().Index, Dst: host(p.IP), Scope: netlink.SCOPE_LINK, Src: net.ParseIP(NodeIP),
	})
}

// inside sets up the Pod's end.
func (p *Pod) inside(h *netlink.Handle) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	eth0, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, link := range []netlink.Link{lo, eth0} {
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
	}
	if err := h.AddrAdd(eth0, address(p.IP)); err != nil {
		return err
	}
	index := eth0.Attrs().Index
	if err := h.RouteAdd(&netlink.Route{LinkIndex: index, Dst: host(gateway), Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: index, Gw: net.ParseIP(gateway)})
}

// Do calls f on a thread that is in the network of the Pod: a process that f starts
// is in it too.
func (p *Pod) Do(f func() error) (err error) {
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		return fmt.Errorf("find the network of the node: %w", err)
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	if err := netns.Set(p.ns); err != nil {
		return fmt.Errorf("enter the network of the Pod: %w", err)
	}
	err = f()
	if back := netns.Set(before); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// Remove takes the network away, once no process of the Pod is left.
func (p *Pod) Remove() error {
	var all []error
	if link, err := netlink.LinkByName(p.device); err == nil {
		all = append(all, netlink.LinkDel(link))
	}
	all = append(all, p.ns.Close())
	p.node.mu.Lock()
	p.node.free = append(p.node.free, p.number)
	p.node.mu.Unlock()
	return errors.Join(all...)
}
