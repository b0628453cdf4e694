// What `halving completion SHELL` prints.
#include "cli/completion.h"

namespace halving {
namespace {

constexpr absl::string_view kBash =
    R"script(# bash completion for halving. Once: source <(halving completion bash)
# For good: put it into /usr/share/bash-completion/completions/halving, as cmake --install does.

_halving() {
  local i word joined="" current="${COMP_WORDS[COMP_CWORD]}" answer=() words=()
  # Bash cuts words at = and : too. What belongs together is put together again.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if [[ ${#words[@]} -gt 0 && ( $word == [=:]* || $joined == *[=:] ) ]]; then
      joined+="$word"
      words[${#words[@]}-1]="$joined"
    else
      joined="$word"
      words+=("$joined")
    fi
  done
  [[ $current == [=:] ]] && current=""
  local cut="${joined%"$current"}"

  mapfile -t answer < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2> /dev/null)
  COMPREPLY=()
  [[ ${#answer[@]} -gt 0 ]] || return 0
  local rest="${answer[-1]}"
  unset "answer[-1]"
  for word in "${answer[@]}"; do
    word="${word%%$'\t'*}"
    COMPREPLY+=("${word#"$cut"}")
  done
  case "$rest" in
    :file) compopt -o default 2> /dev/null ;;
    :folder) compopt -o dirnames 2> /dev/null ;;
  esac
  return 0
}

complete -F _halving halving
)script";

constexpr absl::string_view kZsh = R"script(#compdef halving
compdef _halving halving
# zsh completion for halving. Once: source <(halving completion zsh)
# For good: put it as _halving into a folder of $fpath, as cmake --install does.

_halving() {
  local -a answer candidates
  local line name about rest
  answer=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT-1]}" "$PREFIX" 2> /dev/null)}")
  rest="${answer[-1]}"
  for line in "${(@)answer[1,-2]}"; do
    name="${line%%$'\t'*}"
    about="${line#*$'\t'}"
    candidates+=("${name//:/\\:}:${about}")
  done
  if (( ${#candidates} )); then
    _describe 'halving' candidates
  fi
  case "$rest" in
    :file) compset -P '*='; _files ;;
    :folder) compset -P '*='; _files -/ ;;
  esac
}

# Loaded by the completion system, this file is the function's first call.
if [ "${funcstack[1]}" = "_halving" ]; then
  _halving
fi
)script";

constexpr absl::string_view kFish =
    R"script(# fish completion for halving. Once: halving completion fish | source
# For good: put it into ~/.config/fish/completions/halving.fish, or let cmake --install do it.

function __halving_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] "$current" 2> /dev/null)
    test (count $answer) -gt 0; or return
    if test (count $answer) -gt 1
        printf '%s\n' $answer[1..-2]
    end
    switch $answer[-1]
        case ':file'
            __fish_complete_path "$current"
        case ':folder'
            __fish_complete_directories "$current"
    end
end

complete -c halving -f -a '(__halving_complete)'
)script";

}  // namespace

std::vector<std::pair<std::string, std::string>> CompletionShells() {
  return {{"bash", "source <(halving completion bash)"},
          {"zsh", "source <(halving completion zsh)"},
          {"fish", "halving completion fish | source"}};
}

absl::string_view CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

}  // namespace halving
