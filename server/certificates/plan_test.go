package certificates

import (
	"crypto/x509"
	"testing"
	"time"
)

var (
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	want  = terms{hosts: []string{"ark-server.ark-system.svc"}, lifetime: 90 * 24 * time.Hour}
)

// TestShorter: once lifetimes are shortened, everything is made anew, and then no more.
func TestShorter(t *testing.T) {
	m := made(t, dated{0, action{step: addAuthority}}, dated{0, action{step: issueServing}})
	short := terms{hosts: want.hosts, lifetime: time.Minute}
	var steps []step
	for range 10 {
		a := plan(start, m, short, true)
		if a.step == keep {
			break
		}
		steps = append(steps, a.step)
		var err error
		if m, err = a.do(m, start, short); err != nil {
			t.Fatal(err)
		}
	}
	if len(steps) != 2 || steps[0] != addAuthority || steps[1] != issueServing || m.serving.NotAfter.Sub(start) != time.Minute {
		t.Errorf("done were %v, the certificate is valid until %s", steps, m.serving.NotAfter)
	}
}

// made is the material that a list of steps leads to, each at its time.
func made(t *testing.T, steps ...dated) material {
	t.Helper()
	var m material
	for _, s := range steps {
		var err error
		if m, err = s.action.do(m, start.Add(s.at), want); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

type dated struct {
	at     time.Duration
	action action
}

func TestPlan(t *testing.T) {
	const day = 24 * time.Hour
	add := func(at time.Duration) dated { return dated{at, action{step: addAuthority}} }
	issue := func(at time.Duration, by int) dated { return dated{at, action{step: issueServing, authority: by}} }
	first := []dated{add(0), issue(0, 0)}
	two := []dated{add(0), issue(580*day, 0), add(601 * day)} // the second authority is new
	for name, c := range map[string]struct {
		steps     []dated
		spoil     func(*material)
		at        time.Duration
		trusted   bool
		lifetime  time.Duration // 0: as they were made
		step      step
		authority int
	}{
		"shorter lives are wanted":        {steps: first, at: day, trusted: true, lifetime: 30 * day, step: addAuthority},
		"longer lives are wanted":         {steps: first, at: day, trusted: true, lifetime: 900 * day},
		"nothing yet":                     {step: addAuthority},
		"an authority alone":              {steps: first[:1], step: issueServing},
		"all is well":                     {steps: first, at: 59 * day, trusted: true},
		"clock is behind":                 {steps: first, at: -30 * time.Minute, trusted: true},
		"serving is due":                  {steps: first, at: 61 * day, trusted: true, step: issueServing},
		"serving is due, not trusted":     {steps: first, at: 61 * day, step: issueServing},
		"other hosts":                     {steps: first, spoil: func(m *material) { m.serving.DNSNames = []string{"old"} }, step: issueServing},
		"serving is not there":            {steps: first, spoil: func(m *material) { m.serving, m.servingKey = nil, nil }, step: issueServing},
		"serving has no key":              {steps: first, spoil: func(m *material) { m.servingKey = nil }, step: issueServing},
		"serving is of somebody else":     {steps: first, spoil: func(m *material) { m.authorities = made(t, add(0)).authorities }, step: issueServing},
		"authority is due":                {steps: []dated{add(0), issue(580*day, 0)}, at: 601 * day, trusted: true, step: addAuthority},
		"authority and serving are due":   {steps: first, at: 601 * day, trusted: true, step: addAuthority},
		"authority has lost its key":      {steps: first, spoil: func(m *material) { m.authorities[0].key = nil }, step: addAuthority},
		"new authority is not trusted":    {steps: two, at: 602 * day},
		"new authority is trusted":        {steps: two, at: 602 * day, trusted: true, step: issueServing},
		"due before it is trusted":        {steps: two, at: 650 * day, step: issueServing, authority: 1},
		"hosts before it is trusted":      {steps: two, at: 602 * day, spoil: func(m *material) { m.serving.DNSNames = nil }, step: issueServing, authority: 1},
		"the older cannot sign any more":  {steps: two, at: 650 * day, spoil: func(m *material) { m.authorities[1].key = nil }, step: issueServing},
		"the older has expired":           {steps: append(two, issue(602*day, 0)), at: 901 * day, trusted: true, step: dropAuthority, authority: 1},
		"never trusted, older expired":    {steps: two, at: 901 * day, step: dropAuthority, authority: 1},
		"the only one has expired":        {steps: first, at: 901 * day, step: dropAuthority},
		"older is there, but not expired": {steps: append(two, issue(602*day, 0)), at: 603 * day, trusted: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := made(t, c.steps...)
			if c.spoil != nil {
				c.spoil(&m)
			}
			of := want
			if c.lifetime != 0 {
				of.lifetime = c.lifetime
			}
			got := plan(start.Add(c.at), m, of, c.trusted)
			if got.step != c.step || got.authority != c.authority {
				t.Errorf("planned step %d of authority %d (%s), want %d of %d", got.step, got.authority, got.why, c.step, c.authority)
			}
		})
	}
}

func TestIssue(t *testing.T) {
	for _, lifetime := range []time.Duration{2160 * time.Hour, time.Minute} {
		of := terms{hosts: want.hosts, lifetime: lifetime}
		var m material
		for _, a := range []action{{step: addAuthority}, {step: issueServing}} {
			var err error
			if m, err = a.do(m, start, of); err != nil {
				t.Fatal(err)
			}
		}
		ca, serving := m.authorities[0].certificate, m.serving
		if !ca.IsCA || ca.KeyUsage&x509.KeyUsageCertSign == 0 || serving.IsCA {
			t.Errorf("authority and certificate are %+v and %+v", ca, serving)
		}
		if got := ca.NotAfter.Sub(start); got != 10*lifetime {
			t.Errorf("the authority lives %s", got)
		}
		if got, limit := start.Sub(serving.NotBefore), min(time.Hour, lifetime/10); got != limit {
			t.Errorf("the certificate is valid %s before it is made, want %s", got, limit)
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		for at, ok := range map[time.Duration]bool{0: true, lifetime - time.Second: true, lifetime + time.Second: false} {
			_, err := serving.Verify(x509.VerifyOptions{Roots: roots, DNSName: want.hosts[0], CurrentTime: start.Add(at)})
			if (err == nil) != ok {
				t.Errorf("verified %s later: %v", at, err)
			}
		}
		late, _, err := newServing(start.Add(9*lifetime+lifetime/2), m.authorities[0], of)
		if err != nil || late.NotAfter.After(ca.NotAfter) {
			t.Errorf("a certificate outlives its authority: %v, %v", late.NotAfter, err)
		}
	}
}
