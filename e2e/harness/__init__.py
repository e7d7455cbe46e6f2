# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: clusters, the server, a client, certificates, scenarios."""
