#!/usr/bin/env bash
# Builds the container images of the programs. `deploy/images.sh --help` says how.
set -euo pipefail

usage() {
    cat <<'USAGE'
Builds container images: the program, the shared libraries that it needs, CA certificates, and nothing else.

Usage: deploy/images.sh [OPTIONS] [operator|vmcp|simulator|conformance]...

Without a program: all four.

  --tag TAG              Tag of the images (default: the version of the workspace)
  --registry PREFIX      What stands before the programs' names (default: ghcr.io/waggle)
  --profile PROFILE      Profile with which cargo builds the programs (default: release)
  --programs DIR         Take the programs from here instead of building them
  --ca-certificates FILE The PEM file with the authorities that the programs trust (default: the one of this machine)
  --engine PROGRAM       docker (default), podman or nerdctl
  --dry-run              Print the commands instead of running them
USAGE
}

# Wrong usage: one sentence, and exit code 2.
wrong() {
    printf 'images.sh: %s (see deploy/images.sh --help)\n' "$1" >&2
    exit 2
}

# Runs a command, or prints it.
run() {
    if [[ $dry_run ]]; then
        printf '%q ' "$@" | sed 's/ $//'
        printf '\n'
    else
        "$@"
    fi
}

# The file with this machine's authorities: distributions keep it in different places.
machine_certificates() {
    local file
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [[ $file && -f $file ]]; then
            printf '%s\n' "$file"
            return
        fi
    done
    wrong "no CA certificates in the usual places: name a PEM file with --ca-certificates"
}

# The root file system of a program.
fill() {
    local program=$1 root=$2 libraries library
    install -D -m 0755 "$programs/$program" "$root/usr/bin/$program"
    # The loader and the libraries, at the paths where the loader looks for them. A static program has none.
    if libraries=$(ldd "$programs/$program" 2>/dev/null); then
        if [[ $libraries == *"not found"* ]]; then
            wrong "$programs/$program needs libraries that this machine does not have: ${libraries//$'\n'/ }"
        fi
        while read -r library; do
            install -D -m 0755 "$library" "$root$library"
        done < <(grep --only-matching '/[^ ]*' <<<"$libraries")
    fi
    install -D -m 0644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
    printf 'nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n' >"$root/etc/passwd"
    printf 'nonroot:x:65532:\n' >"$root/etc/group"
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    install -d -m 1777 "$root/tmp"
}

# A file that the caller named, seen from the top of the checkout.
absolute() {
    if [[ $1 == /* ]]; then printf '%s\n' "$1"; else printf '%s\n' "$caller/$1"; fi
}

caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
known=(operator vmcp simulator conformance)
wanted=()
tag='' registry=ghcr.io/waggle profile=release programs='' certificates='' engine=docker dry_run=''
while (($#)); do
    case $1 in
        --help | -h)
            usage
            exit
            ;;
        --dry-run) dry_run=yes ;;
        --tag | --registry | --profile | --programs | --ca-certificates | --engine)
            [[ ${2:-} ]] || wrong "$1 needs a value"
            case $1 in
                --tag) tag=$2 ;;
                --registry) registry=${2%/} ;;
                --profile) profile=$2 ;;
                --programs) programs=$(absolute "$2") ;;
                --ca-certificates) certificates=$(absolute "$2") ;;
                --engine) engine=$2 ;;
            esac
            shift
            ;;
        *)
            [[ " ${known[*]} " == *" $1 "* ]] || wrong "\"$1\" is none of: ${known[*]}"
            wanted+=("$1")
            ;;
    esac
    shift
done
((${#wanted[@]})) || wanted=("${known[@]}")
[[ $engine =~ ^(docker|podman|nerdctl)$ ]] || wrong "--engine \"$engine\" is none of: docker podman nerdctl"
[[ $tag ]] || tag=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
[[ $dry_run || $(uname -s) == Linux ]] || wrong "images hold Linux programs: run this on Linux"

if [[ ! $programs ]]; then
    run cargo build "--profile=$profile" --locked "${wanted[@]/#/--package=}"
    folder=$profile
    [[ $profile != dev ]] || folder=debug
    programs=${CARGO_TARGET_DIR:-target}/$folder
fi
if [[ ! $dry_run ]]; then
    for program in "${wanted[@]}"; do
        [[ -x $programs/$program ]] || wrong "there is no program $programs/$program"
    done
    [[ $certificates ]] || certificates=$(machine_certificates)
    [[ -r $certificates ]] || wrong "the CA certificates $certificates cannot be read"
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
fi
for program in "${wanted[@]}"; do
    image=$registry/$program:$tag
    [[ $dry_run ]] || fill "$program" "$context/$program/root"
    run "$engine" build --file deploy/Dockerfile --build-arg "PROGRAM=$program" --tag "$image" "${context:-CONTEXT}/$program"
done
