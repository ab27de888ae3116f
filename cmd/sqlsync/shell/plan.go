package shell

import "strconv"

// planPrinter shows EXPLAIN QUERY PLAN as a tree, in every mode but json, as
// sqlite3 does in every mode.
type planPrinter struct {
	s     *session
	nodes []planNode
}

type planNode struct {
	id, parent int
	detail     string
}

func (p *planPrinter) row(vals []value) error {
	id, _ := strconv.Atoi(vals[0].text)
	parent, _ := strconv.Atoi(vals[1].text)
	p.nodes = append(p.nodes, planNode{id, parent, vals[3].text})
	return nil
}

func (p *planPrinter) end() error {
	if len(p.nodes) > 0 {
		p.s.out.WriteString("QUERY PLAN\n")
		p.below(0, "")
	}
	return nil
}

// below prints the nodes under parent. SQLite gives every node a larger id than
// its parent's, so this ends.
func (p *planPrinter) below(parent int, indent string) {
	var under []planNode
	for _, n := range p.nodes {
		if n.parent == parent && n.id > parent {
			under = append(under, n)
		}
	}
	for i, n := range under {
		branch, deeper := "|--", "|  "
		if i == len(under)-1 {
			branch, deeper = "`--", "   "
		}
		p.s.out.WriteString(indent + branch + n.detail + "\n")
		p.below(n.id, indent+deeper)
	}
}
