package execution

import (
	"fmt"
	"text/template"
	"text/template/parse"
)

// maxTemplateDepth bounds how deep conditions, loops, parentheses and calls of
// templates lie in each other. Each level takes stack when it is executed, and a
// stack that overflows ends the process, with all its Queries.
const maxTemplateDepth = 100

// depths finds out how deep templates nest, each of them once.
type depths struct {
	of    *template.Template
	known map[string]int  // by name of the template
	open  map[string]bool // those that are being looked at
}

// checkDepth refuses templates that nest too deep, or that call themselves: how
// deep those get is not known before they are executed.
func checkDepth(t *template.Template) error {
	d := &depths{of: t, known: map[string]int{}, open: map[string]bool{}}
	for _, defined := range t.Templates() {
		if _, err := d.template(defined.Name(), 0); err != nil {
			return err
		}
	}
	return nil
}

// template returns how many levels a template adds to those that lie above it.
func (d *depths) template(name string, above int) (int, error) {
	if depth, ok := d.known[name]; ok {
		return depth, tooDeep(above + depth)
	}
	if d.open[name] {
		return 0, fmt.Errorf("the template %q calls itself", name)
	}
	t := d.of.Lookup(name)
	if t == nil || t.Tree == nil || t.Root == nil {
		return 0, nil // Executing it will say so.
	}
	d.open[name] = true
	depth, err := d.node(t.Root, above)
	if err != nil {
		return 0, err
	}
	delete(d.open, name)
	d.known[name] = depth
	return depth, nil
}

// node returns how many levels a node has, its own included. It does not go on
// below the limit, so that its own stack is bounded too.
func (d *depths) node(node parse.Node, above int) (int, error) {
	own := 0
	switch node.(type) {
	case *parse.IfNode, *parse.RangeNode, *parse.WithNode, *parse.TemplateNode, *parse.PipeNode:
		own = 1
	}
	above += own
	if err := tooDeep(above); err != nil {
		return 0, err
	}
	below := 0
	if call, ok := node.(*parse.TemplateNode); ok {
		depth, err := d.template(call.Name, above)
		if err != nil {
			return 0, err
		}
		below = depth
	}
	for _, child := range children(node) {
		depth, err := d.node(child, above)
		if err != nil {
			return 0, err
		}
		below = max(below, depth)
	}
	return own + below, nil
}

func tooDeep(depth int) error {
	if depth > maxTemplateDepth {
		return fmt.Errorf("it nests deeper than %d levels", maxTemplateDepth)
	}
	return nil
}

// children returns the nodes below a node that may have nodes below them.
func children(node parse.Node) []parse.Node {
	switch n := node.(type) {
	case *parse.ListNode:
		return n.Nodes
	case *parse.ActionNode:
		return []parse.Node{n.Pipe}
	case *parse.IfNode:
		return branches(&n.BranchNode)
	case *parse.RangeNode:
		return branches(&n.BranchNode)
	case *parse.WithNode:
		return branches(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			return []parse.Node{n.Pipe}
		}
	case *parse.PipeNode:
		commands := make([]parse.Node, len(n.Cmds))
		for i, command := range n.Cmds {
			commands[i] = command
		}
		return commands
	case *parse.CommandNode:
		return n.Args
	case *parse.ChainNode:
		return []parse.Node{n.Node}
	}
	return nil
}

func branches(n *parse.BranchNode) []parse.Node {
	all := []parse.Node{n.Pipe, n.List}
	if n.ElseList != nil {
		all = append(all, n.ElseList)
	}
	return all
}
