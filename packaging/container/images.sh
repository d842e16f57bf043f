# shellcheck shell=bash
# For tests of images, to source: `images build …` is buildah with a store of its own, `base_image` a Debian from the
# package archive, so that no registry is needed. Both need root.

images_dir=$PWD/target/images

images() {
    buildah --root "$images_dir/store" --runroot "$images_dir/run" --storage-driver vfs "$@"
}

# build_image NAME CONTEXT [OPTION…]: builds an image on `base_image`.
build_image() {
    local name=$1 context=$2
    shift 2
    images bud --isolation chroot --format docker --build-arg BASE=localhost/smartmeter-base --tag "$name" "$@" "$context"
}

# base_image: makes localhost/smartmeter-base if it is not there yet.
base_image() {
    local container
    ! images inspect --type image localhost/smartmeter-base >/dev/null 2>&1 || return 0
    mkdir -p "$images_dir"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,curl,jq,tzdata \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$images_dir/base.tar"
    container=$(images from scratch)
    images add --quiet "$container" "$images_dir/base.tar" / >/dev/null
    images config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    images commit --quiet --rm "$container" localhost/smartmeter-base >/dev/null
    rm "$images_dir/base.tar"
}

# size NAME: bytes of an image.
size() {
    local mounted container
    container=$(images from "$1")
    mounted=$(images mount "$container")
    du --summarize --block-size=1 "$mounted" | cut -f1
    images rm "$container" >/dev/null
}
