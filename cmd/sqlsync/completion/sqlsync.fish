# fish completion of sqlsync: sqlsync completion fish | source
function __sqlsync_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l prefix
    string match -q -- '--*=*' $last; and set prefix (string replace -r '=.*' '=' -- $last)
    set -l found (command $words[1] complete -- $words[2..-1] $last 2>/dev/null)
    if test (count $found) -gt 0
        printf "$prefix%s\n" $found
    else
        __fish_complete_path $last
    end
end
complete -c sqlsync -f -a '(__sqlsync_complete)'
