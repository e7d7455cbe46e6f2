/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/builtin.h"

#include "base/mem.h"
#include "e2e/devkube/resource.h"

#define SELECTOR "{matchLabels:<s> matchExpressions:[{key:s operator:s values:[s]}]}"
#define OBJECT_REFERENCE "{kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s}"
#define LOAD_BALANCER "loadBalancer:{ingress:[{ip:s hostname:s ipMode:s ports:[{port:i protocol:s error:s}]}]}"
#define CONDITIONS                                                                                                     \
        "conditions:[{type:s status:s reason:s message:s lastTransitionTime:t lastUpdateTime:t observedGeneration:i}]"
#define ADDRESS "{ip:s hostname:s nodeName:s targetRef:" OBJECT_REFERENCE "}"
#define BACKEND "{service:{name:s port:{name:s number:i}} resource:{apiGroup:s kind:s name:s}}"
#define WEBHOOKS(more)                                                                                                 \
        "webhooks:[{name:s clientConfig:{url:s caBundle:y service:{namespace:s name:s path:s port:i}} "                \
        "rules:[{operations:[s] apiGroups:[s] apiVersions:[s] resources:[s] scope:s}] failurePolicy:s matchPolicy:s "  \
        "namespaceSelector:" SELECTOR " objectSelector:" SELECTOR " sideEffects:s timeoutSeconds:i "                   \
        "admissionReviewVersions:[s] matchConditions:[{name:s expression:s}]" more "}]"
#define SUBJECTS "subjects:[{kind:s apiGroup:s name:s namespace:s}] roleRef:{apiGroup:s kind:s name:s}"
#define RULES "rules:[{verbs:[s] apiGroups:[s] resources:[s] resourceNames:[s] nonResourceURLs:[s]}]"

static const char SERVICE[] =
        "spec:{ports:[{name:s protocol:s appProtocol:s port:i targetPort:x nodePort:i}] selector:<s> clusterIP:s "
        "clusterIPs:[s] type:s externalIPs:[s] sessionAffinity:s loadBalancerIP:s loadBalancerSourceRanges:[s] "
        "externalName:s externalTrafficPolicy:s healthCheckNodePort:i publishNotReadyAddresses:b "
        "sessionAffinityConfig:{clientIP:{timeoutSeconds:i}} topologyKeys:[s] ipFamilies:[s] ipFamilyPolicy:s "
        "allocateLoadBalancerNodePorts:b loadBalancerClass:s internalTrafficPolicy:s trafficDistribution:s} "
        "status:{" LOAD_BALANCER " " CONDITIONS "}";

static const char INGRESS[] =
        "spec:{ingressClassName:s defaultBackend:" BACKEND " tls:[{hosts:[s] secretName:s}] "
        "rules:[{host:s http:{paths:[{path:s pathType:s backend:" BACKEND "}]}}]} status:{" LOAD_BALANCER "}";

static const char EVENT[] =
        "involvedObject:" OBJECT_REFERENCE " reason:s message:s source:{component:s host:s} firstTimestamp:t "
        "lastTimestamp:t count:i type:s eventTime:t series:{count:i lastObservedTime:t} action:s "
        "related:" OBJECT_REFERENCE " reportingComponent:s reportingInstance:s";

static const char ENDPOINT_SLICE[] =
        "addressType:s ports:[{name:s protocol:s port:i appProtocol:s}] "
        "endpoints:[{addresses:[s] conditions:{ready:b serving:b terminating:b} hostname:s "
        "targetRef:" OBJECT_REFERENCE " nodeName:s zone:s topology:<s> deprecatedTopology:<s> "
        "hints:{forZones:[{name:s}]}}]";

static const char LEASE[] =
        "spec:{holderIdentity:s leaseDurationSeconds:i acquireTime:t renewTime:t leaseTransitions:i "
        "strategy:s preferredHolder:s}";

static const char CRD[] =
        "spec:{group:s scope:s preserveUnknownFields:b conversion:* "
        "names:{plural:s singular:s shortNames:[s] kind:s listKind:s categories:[s]} "
        "versions:[{name:s served:b storage:b deprecated:b deprecationWarning:s schema:{openAPIV3Schema:*} "
        "subresources:{status:* scale:*} selectableFields:[{jsonPath:s}] "
        "additionalPrinterColumns:[{name:s type:s format:s description:s priority:i jsonPath:s}]}]} "
        "status:{" CONDITIONS " acceptedNames:* storedVersions:[s]}";

static const char POD_SET[] = "spec:* status:*";

/* Scheme of a row: group, versions, plural, kind, short names, categories, namespaced, status, schema. */
const struct builtin builtins[] = {
        {"", "v1", "namespaces", "Namespace", "ns", "", false, true,
         "spec:{finalizers:[s]} status:{phase:s " CONDITIONS "}"},
        {"", "v1", "services", "Service", "svc", "all", true, true, SERVICE},
        {"", "v1", "secrets", "Secret", "", "", true, false, "type:s immutable:b data:<y> stringData:<s>"},
        {"", "v1", "configmaps", "ConfigMap", "cm", "", true, false, "immutable:b data:<s> binaryData:<y>"},
        {"", "v1", "endpoints", "Endpoints", "ep", "", true, false,
         "subsets:[{addresses:[" ADDRESS "] notReadyAddresses:[" ADDRESS
         "] ports:[{name:s port:i protocol:s appProtocol:s}]}]"},
        {"", "v1", "events", "Event", "ev", "", true, false, EVENT},
        {"", "v1", "serviceaccounts", "ServiceAccount", "sa", "", true, false,
         "secrets:[" OBJECT_REFERENCE "] imagePullSecrets:[{name:s}] automountServiceAccountToken:b"},
        {"", "v1", "pods", "Pod", "po", "all", true, true, POD_SET},
        {"apps", "v1", "deployments", "Deployment", "deploy", "all", true, true, POD_SET},
        {"apps", "v1", "daemonsets", "DaemonSet", "ds", "all", true, true, POD_SET},
        {"apps", "v1", "replicasets", "ReplicaSet", "rs", "all", true, true, POD_SET},
        {"batch", "v1", "jobs", "Job", "", "all", true, true, POD_SET},
        {"batch", "v1 v1beta1", "cronjobs", "CronJob", "cj", "all", true, true, POD_SET},
        {"policy", "v1 v1beta1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", "", true, true,
         "spec:{minAvailable:x maxUnavailable:x selector:" SELECTOR " unhealthyPodEvictionPolicy:s} status:*"},
        {"networking.k8s.io", "v1", "ingresses", "Ingress", "ing", "", true, true, INGRESS},
        {"networking.k8s.io", "v1", "ingressclasses", "IngressClass", "", "", false, false,
         "spec:{controller:s parameters:{apiGroup:s kind:s name:s scope:s namespace:s}}"},
        {"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", "", true, false,
         "spec:{podSelector:" SELECTOR " policyTypes:[s] ingress:[*] egress:[*]} status:*"},
        {"discovery.k8s.io", "v1 v1beta1", "endpointslices", "EndpointSlice", "", "", true, false, ENDPOINT_SLICE},
        {"coordination.k8s.io", "v1", "leases", "Lease", "", "", true, false, LEASE},
        {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "", "", false, false,
         RULES " aggregationRule:*"},
        {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", "", "", false, false,
         SUBJECTS},
        {"rbac.authorization.k8s.io", "v1", "roles", "Role", "", "", true, false, RULES},
        {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "", "", true, false, SUBJECTS},
        {"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "",
         "api-extensions", false, false, WEBHOOKS("")},
        {"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "",
         "api-extensions", false, false, WEBHOOKS(" reinvocationPolicy:s")},
        {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd crds",
         "api-extensions", false, true, CRD},
};
const size_t builtin_count = COUNT_OF(builtins);

bool builtin_is(const struct resource *r, const char *kind)
{
        return !r->custom && str_equal(r->kind, kind);
}

bool builtin_allows_unconditional_update(const struct resource *r)
{
        return !r->custom && !builtin_is(r, "Lease") && !builtin_is(r, "CustomResourceDefinition") &&
               !builtin_is(r, "PodDisruptionBudget") && !builtin_is(r, "ValidatingWebhookConfiguration") &&
               !builtin_is(r, "MutatingWebhookConfiguration");
}

bool builtin_creates_on_update(const struct resource *r)
{
        return builtin_is(r, "Lease") || builtin_is(r, "Endpoints") || builtin_is(r, "Event") ||
               builtin_is(r, "Role") || builtin_is(r, "ClusterRole") || builtin_is(r, "RoleBinding") ||
               builtin_is(r, "ClusterRoleBinding");
}

bool builtin_has_generation(const struct resource *r)
{
        static const char *const kinds[] = {"Deployment",
                                            "DaemonSet",
                                            "ReplicaSet",
                                            "Job",
                                            "CronJob",
                                            "PodDisruptionBudget",
                                            "Ingress",
                                            "IngressClass",
                                            "NetworkPolicy",
                                            "EndpointSlice",
                                            "ValidatingWebhookConfiguration",
                                            "MutatingWebhookConfiguration",
                                            "CustomResourceDefinition"};
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
                if (builtin_is(r, kinds[i]))
                        return true;
        }
        return false;
}
