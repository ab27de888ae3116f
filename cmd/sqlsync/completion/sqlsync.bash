# bash completion of sqlsync: source <(sqlsync completion bash)
_sqlsync() {
	local line word IFS=$'\n'
	COMPREPLY=()
	for line in $(command "${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
		printf -v word %q "${line%%$'\t'*}"
		COMPREPLY+=("$word")
	done
}
complete -o default -F _sqlsync sqlsync
