# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of iotsafe(1) and iotsafe-enroll(1) for bash. Commands, methods and options are
# those of the program's own --help, which asks no SIM and reads no settings.

# The first words of the rows below a line of the help.
_iotsafe_rows() { # HELP HEADING
	sed -En "/^($2)/,/^\$/s/^  ([a-z-]+).*/\1/p" <<<"$1"
}

_iotsafe() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' help value='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--transport) ((i++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	# What follows is for the other program: its first word is a method.
	if [ "$command" = enroll ]; then
		command=''
		((++i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} != -* ]] && command=${COMP_WORDS[i]}
		help=$("$tool" enroll ${command:+"$command"} --help 2>/dev/null) || return 0
	else
		help=$("$tool" ${command:+"$command"} --help 2>/dev/null) || return 0
	fi
	# What the option in front is followed by, by the help: "--digest NAME".
	[[ $prev != --* ]] || value=$(sed -n "s/^  ${prev//[^a-z-]/} \([A-Z][A-Z]*\) .*/\1/p" <<<"$help")
	COMPREPLY=()
	case $prev:$value in
	--transport:*) mapfile -t COMPREPLY < <(compgen -W 'pcsc at: socket:' -- "$cur") ;;
	--digest:*) mapfile -t COMPREPLY < <(compgen -W 'SHA-256 SHA-384 SHA-512' -- "$cur") ;;
	-*:FILE) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	-*:?*) ;;
	*)
		if [ -z "$command" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_iotsafe_rows "$help" 'Commands:|Methods:')
				$(_iotsafe_rows "$help" Options)" -- "$cur")
		elif [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_iotsafe_rows "$help" Options)" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			[[ iotsafe:// != "$cur"* ]] || COMPREPLY+=(iotsafe://)
		fi
		;;
	esac
}
complete -o filenames -F _iotsafe iotsafe iotsafe-enroll
