#!/bin/bash
# Runs the steps of a Dockerfile without a container engine: each stage is a directory that begins
# as an unpacked Debian root. Knows the instructions and forms that our Dockerfile uses and refuses
# others. Sourced by tests/fresh.sh, which provides new_root, host_env and say.
#
# dockerfile_run FILE CONTEXT leaves the last stage in image_root, image_user, image_dir, image_env
# (array), image_command and image_health (arrays).

# shellcheck disable=SC2034  # what is set here is read by the caller
ROOT_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
host_env=()
fresh_root=''
declare -A stage_roots=()
image_root=''
image_user=root
image_dir=/
image_env=()
image_command=()
image_entrypoint=()
image_health=()


# Lines with continuations joined, without comments and empty ones
dockerfile_lines()
{
    grep -v '^[[:space:]]*#' "$1" | sed -e ':a' -e '/\\$/{N;s/\\\n[[:space:]]*//;ba' -e '}' |
        grep -v '^[[:space:]]*$'
}

# in_image COMMAND...: in the stage that is being built
in_image()
{
    chroot --userspec="$image_user:$image_user" "$image_root" env --chdir="$image_dir" -i \
        "${host_env[@]}" HOME=/root PATH="$ROOT_PATH" "${image_env[@]}" "$@"
}

stage_begin()
{
    local base=$1 name=${3:-last}

    [ "$base" = debian:12-slim ] || die "the base image $base has no equivalent here"
    new_root "image-$name"
    image_root=$fresh_root
    stage_roots[$name]=$image_root
    image_user=root image_dir=/ image_env=()
}

# COPY [--from=STAGE] SOURCE... TARGET: a directory's contents, a file under TARGET's name
stage_copy()
{
    local context=$1 from source target=${!#} to
    shift

    from=$context
    if [[ $1 == --from=* ]]; then
        from=${stage_roots[${1#--from=}]}
        shift
    fi
    [[ $target == /* ]] || target=$image_dir/$target
    to=$image_root$target
    for source in "${@:1:$#-1}"; do
        source=$from/$source
        if [ -d "$source" ]; then
            mkdir -p "$to"
            cp -a "$source/." "$to/"
        else
            [[ $target == */ || $# -gt 2 ]] && mkdir -p "$to"
            install -D -m "$(stat -c %a "$source")" "$source" \
                "$([ -d "$to" ] && echo "$to/$(basename "$source")" || echo "$to")"
        fi
    done
}

# A list in JSON form, the only form we use, as lines
json_words()
{
    [[ $1 == '['*']' ]] || die "only the JSON form is known: $1"
    sed -e 's/^\[ *"//' -e 's/" *\]$//' -e 's/", *"/\n/g' <<<"$1"
}

stage_step()
{
    local context=$1 step=$2 rest=$3
    local -a words

    read -ra words <<<"$rest"
    case $step in
    FROM) stage_begin "${words[@]}" ;;
    WORKDIR) image_dir=$rest && mkdir -p "$image_root$rest" ;;
    COPY) stage_copy "$context" "${words[@]}" ;;
    RUN) in_image /bin/sh -c "$rest" ;;
    ENV) image_env+=("${words[@]}") ;;
    USER) image_user=$rest ;;
    VOLUME) [ -d "$image_root$rest" ] || die "VOLUME $rest does not exist" ;;
    EXPOSE) ;;
    HEALTHCHECK) mapfile -t image_health < <(json_words "${rest##*CMD }") ;;
    ENTRYPOINT) mapfile -t image_entrypoint < <(json_words "$rest") ;;
    CMD) mapfile -t image_command < <(json_words "$rest") ;;
    *) die "the Dockerfile says $step, which is not known here" ;;
    esac
}

dockerfile_run()
{
    local line step rest

    while IFS= read -r line <&9; do
        say "$line"
        step=${line%% *}
        rest=${line#* }
        stage_step "$2" "$step" "$rest" || return 1
    done 9< <(dockerfile_lines "$1")
    image_command=("${image_entrypoint[@]}" "${image_command[@]}")
}
