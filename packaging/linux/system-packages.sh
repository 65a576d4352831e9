#!/bin/sh
# Installs the Debian and Ubuntu packages that building, running or testing Visavis needs, and only those that
# are missing. Usage: system-packages.sh build|run|test
set -eu

# A C and C++ compiler for Opus and OpenH264, cmake for Opus, nasm for OpenH264's assembler (without it encoding
# takes 2.5 times as long, so the build refuses), libclang for the bindings of PipeWire and V4L2.
build="build-essential cmake nasm pkg-config libclang-dev libasound2-dev libpipewire-0.3-dev"
# What the window loads when it opens, and the software renderer for machines without a GPU.
run="libgl1 libegl1 libgl1-mesa-dri libxkbcommon0 libxkbcommon-x11-0 libx11-6 libx11-xcb1 libxcursor1 libxi6
libxrandr2 libwayland-client0 libwayland-egl1"
# A display, a mouse and a camera for it, a sound system without sound cards, and somebody to speak; networks with NATs.
test="xvfb xdotool xclip openbox imagemagick pulseaudio pulseaudio-utils espeak-ng sox procps ca-certificates git
iproute2 nftables conntrack"

case "${1:-}" in
    build) wanted="$build" ;;
    run) wanted="$build $run" ;;
    test) wanted="$build $run $test" ;;
    *)
        echo "usage: $0 build|run|test" >&2
        exit 2
        ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu: please install what corresponds to these packages yourself:" >&2
    echo "  $wanted" | tr '\n' ' ' >&2
    echo >&2
    exit 0
fi

missing=""
for package in $wanted; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$status" != installed ]; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and there is no sudo to install them with:$missing" >&2
        echo "Install them as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi

echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# The lists may be new enough; fetching them is only worth the time when they are not.
# shellcheck disable=SC2086  # the names are to be split
if ! $as_root apt-get install --yes --no-install-recommends $missing </dev/null; then
    $as_root apt-get update </dev/null
    $as_root apt-get install --yes --no-install-recommends $missing </dev/null
fi
