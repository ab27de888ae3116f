package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// command is one dot command. args are what its help line shows.
type command struct {
	name, args, help string
	max              int // arguments taken
	run              func(s *session, ctx context.Context, args []string) error
}

// commands is filled by init, because .help lists it.
var commands []command

func init() {
	commands = []command{
		{"all", "on|off", "show sqlsync's own tables as well", 1, (*session).cmdAll},
		{"exit", "", "leave the shell", 1, (*session).cmdQuit},
		{"headers", "on|off", "show column names in list, csv, tabs and column mode", 1, (*session).cmdHeaders},
		{"help", "[COMMAND]", "list the dot commands", 1, (*session).cmdHelp},
		{"mode", "MODE", "show rows as " + strings.Join(modes, ", "), 1, (*session).cmdMode},
		{"nullvalue", "TEXT", "show TEXT for NULL", 1, (*session).cmdNull},
		{"quit", "", "leave the shell", 0, (*session).cmdQuit},
		{"read", "FILE", "run the statements in FILE", 1, (*session).cmdRead},
		{"schema", "[TABLE]", "show CREATE statements; TABLE may have % and _", 1, (*session).cmdSchema},
		{"tables", "[PATTERN]", "list tables and views like PATTERN", 1, (*session).cmdTables},
	}
}

// command runs a line that begins with a dot. A name may be shortened while
// only one command begins with it.
func (s *session) command(ctx context.Context, line string) error {
	words, err := splitWords(line[1:])
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New(`a dot alone is no command; ".help" lists them`)
	}
	c, err := findCommand(words[0])
	if err != nil {
		return err
	}
	if args := words[1:]; len(args) <= c.max {
		return c.run(s, ctx, args)
	}
	return c.usage()
}

func (c command) usage() error {
	return fmt.Errorf("usage: %s", strings.TrimSpace("."+c.name+" "+c.args))
}

func findCommand(name string) (command, error) {
	var found []command
	for _, c := range commands {
		if c.name == name {
			return c, nil
		}
		if strings.HasPrefix(c.name, name) {
			found = append(found, c)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	near := slices.MinFunc(commands, func(a, b command) int {
		return levenshtein.ComputeDistance(a.name, name) - levenshtein.ComputeDistance(b.name, name)
	})
	return command{}, fmt.Errorf(`no command ".%s"; did you mean ".%s"? ".help" lists all`, name, near.name)
}

// splitWords splits at spaces; '…' and "…" hold spaces, and in "…" a backslash
// takes the next character as it is.
func splitWords(line string) ([]string, error) {
	var words []string
	for i := 0; i < len(line); {
		c := line[i]
		if c == ' ' || c == '\t' {
			i++
			continue
		}
		var b strings.Builder
		if c != '\'' && c != '"' {
			n := strings.IndexAny(line[i:], " \t")
			if n < 0 {
				n = len(line) - i
			}
			words = append(words, line[i:i+n])
			i += n
			continue
		}
		for i++; i < len(line) && line[i] != c; i++ {
			if c == '"' && line[i] == '\\' && i+1 < len(line) {
				i++
			}
			b.WriteByte(line[i])
		}
		if i == len(line) {
			return nil, fmt.Errorf("no closing %c", c)
		}
		i++
		words = append(words, b.String())
	}
	return words, nil
}

func onOff(name string, args []string, set func(bool)) error {
	if len(args) == 1 {
		switch strings.ToLower(args[0]) {
		case "on", "yes", "1", "true":
			set(true)
			return nil
		case "off", "no", "0", "false":
			set(false)
			return nil
		}
	}
	return fmt.Errorf("usage: .%s on|off", name)
}

func (s *session) cmdAll(_ context.Context, args []string) error {
	return onOff("all", args, func(on bool) { s.all = on })
}

func (s *session) cmdHeaders(_ context.Context, args []string) error {
	return onOff("headers", args, func(on bool) { s.headers, s.headersSet = on, true })
}

func (s *session) cmdMode(_ context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprintf(s.out, "current output mode: %s\n", s.mode)
		return nil
	}
	return s.setMode(args[0])
}

func (s *session) cmdNull(_ context.Context, args []string) error {
	s.null = strings.Join(args, "")
	return nil
}

func (s *session) cmdQuit(context.Context, []string) error {
	s.quit = true
	return nil
}

func (s *session) cmdHelp(_ context.Context, args []string) error {
	list := commands
	if len(args) == 1 {
		c, err := findCommand(strings.TrimPrefix(args[0], "."))
		if err != nil {
			return err
		}
		list = []command{c}
	}
	for _, c := range list {
		fmt.Fprintf(s.out, "%-20s %s\n", strings.TrimSpace("."+c.name+" "+c.args), c.help)
	}
	return nil
}

// readDepth bounds files that read each other.
const readDepth = 20

func (s *session) cmdRead(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: .read FILE")
	}
	if s.depth == readDepth {
		return fmt.Errorf("read %s: files read each other %d deep", args[0], readDepth)
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	s.depth++
	defer func() { s.depth-- }()
	return s.script(ctx, args[0], f)
}
