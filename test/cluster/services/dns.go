package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/test/cluster/network"
)

const (
	domain = "svc.cluster.local."
	ttl    = 1
	// maxQuestion is the size of a question, in bytes.
	maxQuestion = 4096
)

// serveDNS answers questions for names of Services, by UDP and TCP.
func (p *Proxy) serveDNS(ctx context.Context, ip string) error {
	if err := network.AddAddress(ip); err != nil {
		return err
	}
	address := net.JoinHostPort(ip, "53")
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	connections, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = errors.Join(packets.Close(), connections.Close()) })
	go p.packets(packets)
	go p.connections(connections)
	return nil
}

func (p *Proxy) packets(conn net.PacketConn) {
	question := make([]byte, maxQuestion)
	for {
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return
		}
		if answer, err := p.answer(question[:n]); err != nil {
			klog.V(2).InfoS("A question for a name is not answered", "err", err)
		} else {
			_, _ = conn.WriteTo(answer, from) // it will be asked again
		}
	}
}

func (p *Proxy) connections(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for p.overTCP(conn) == nil {
			}
		}()
	}
}

func (p *Proxy) overTCP(conn net.Conn) error {
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return err
	}
	question := make([]byte, int(length[0])<<8|int(length[1]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return err
	}
	answer, err := p.answer(question)
	if err != nil {
		return err
	}
	_, err = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	return err
}

// answer answers the first question of a message.
func (p *Proxy) answer(message []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, alias, known := p.lookup(strings.ToLower(question.Name.String()))
	reply := dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, reply)
	b.EnableCompression()
	if err := errors.Join(b.StartQuestions(), b.Question(question), b.StartAnswers()); err != nil {
		return nil, err
	}
	name := question.Name
	if alias != "" {
		target, err := dnsmessage.NewName(alias)
		if err != nil {
			return nil, err
		}
		if err := b.CNAMEResource(resourceHeader(name), dnsmessage.CNAMEResource{CNAME: target}); err != nil {
			return nil, err
		}
		name = target
	}
	if question.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			if err := b.AResource(resourceHeader(name), dnsmessage.AResource{A: [4]byte(net.ParseIP(address).To4())}); err != nil {
				return nil, err
			}
		}
	}
	return b.Finish()
}

func resourceHeader(name dnsmessage.Name) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: ttl}
}

// lookup finds the addresses behind SERVICE.NAMESPACE.svc.cluster.local. An alias is
// what a Service without addresses stands for; what is behind it is in the answer.
func (p *Proxy) lookup(name string) (addresses []string, alias string, known bool) {
	if name == "localhost." {
		return []string{"127.0.0.1"}, "", true
	}
	inside, ok := strings.CutSuffix(name, "."+domain)
	if !ok {
		return nil, "", false
	}
	service, namespace, ok := strings.Cut(inside, ".")
	if !ok || strings.Contains(namespace, ".") {
		return nil, "", false
	}
	s, err := p.services.Services(namespace).Get(service)
	if err != nil {
		return nil, "", false
	}
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		alias = strings.TrimSuffix(s.Spec.ExternalName, ".") + "."
		addresses, _, _ = p.lookup(alias)
		return addresses, alias, true
	case s.Spec.ClusterIP != corev1.ClusterIPNone:
		return []string{s.Spec.ClusterIP}, "", true
	}
	seen := map[string]bool{}
	for _, port := range append(s.Spec.Ports, corev1.ServicePort{}) {
		for _, endpoint := range p.endpoints(namespace, service, port.Name, s.Spec.PublishNotReadyAddresses) {
			if host, _, err := net.SplitHostPort(endpoint); err == nil && !seen[host] {
				seen[host] = true
				addresses = append(addresses, host)
			}
		}
	}
	return addresses, "", true
}
