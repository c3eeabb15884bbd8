package strategy

import "testing"

func TestCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            "",
		`"a <b>"`:                     `"a \u003cb\u003e"`,
		`{"b": 1, "a": [ 1.50, {} ]}`: `{"a":[1.50,{}],"b":1}`,
		`12345678901234567890`:        `12345678901234567890`,
		`null`:                        `null`,
		`{"a":`:                       `{"a":`,
		`{} {}`:                       `{} {}`,
	} {
		got := canonical([]byte(in))
		if string(got) != want {
			t.Errorf("canonical(%s) is %s, want %s", in, got, want)
		}
		if again := canonical(got); string(again) != want {
			t.Errorf("canonical(%s) is %s, want it unchanged", got, again)
		}
	}
}
