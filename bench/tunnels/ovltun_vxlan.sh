# Sourced by a comparison of tunnels (see ovltun_pair.sh): ovltun with the vxlan backend.
. "$(dirname "${BASH_SOURCE[0]}")/ovltun_pair.sh"
ovltun_pair vxlan
