#compdef sqlsync
# zsh completion of sqlsync: source <(sqlsync completion zsh), or this file as _sqlsync in a folder of $fpath
_sqlsync() {
	local line prefix
	local -a words_ helps_
	[[ $words[CURRENT] == --*=* ]] && prefix=${words[CURRENT]%%=*}=
	for line in ${(f)"$(command $words[1] complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
		words_+=("$prefix${line%%$'\t'*}")
		helps_+=("${line%%$'\t'*}  ${line#*$'\t'}")
	done
	if (( $#words_ )); then
		compadd -l -d helps_ -a words_
	else
		_files
	fi
}
if [[ $funcstack[1] == _sqlsync ]]; then
	_sqlsync "$@"
else
	compdef _sqlsync sqlsync
fi
