{{/* Names, labels and the parts that all pods have in common. */}}

{{- define "protes.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "protes.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "protes.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "protes.selectorLabels" -}}
app.kubernetes.io/name: {{ include "protes.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "protes.labels" -}}
{{ include "protes.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "protes.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "protes.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "protes.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What cannot work is refused with a sentence. */}}
{{- define "protes.check" -}}
{{- if eq .Values.mode "scaled" -}}
{{- $_ := required "mode scaled needs secrets.storeUrl.existingSecret: the Secret with the URL of MongoDB" .Values.secrets.storeUrl.existingSecret -}}
{{- $_ := required "mode scaled needs secrets.brokerUrl.existingSecret: the Secret with the URL of the broker" .Values.secrets.brokerUrl.existingSecret -}}
{{- if .Values.networkPolicy.enabled -}}
{{- if not .Values.networkPolicy.egress.store -}}
{{- fail "mode scaled with a NetworkPolicy needs networkPolicy.egress.store: where MongoDB is" -}}
{{- end -}}
{{- if not .Values.networkPolicy.egress.broker -}}
{{- fail "mode scaled with a NetworkPolicy needs networkPolicy.egress.broker: where the broker is" -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- if or .Values.api.autoscaling.enabled .Values.worker.autoscaling.enabled -}}
{{- fail "autoscaling needs mode scaled: in mode embedded there is one pod" -}}
{{- end -}}
{{- range $name := list "storeUrl" "brokerUrl" "brokerCa" -}}
{{- if (index $.Values.secrets $name).existingSecret -}}
{{- fail (printf "secrets.%s is for mode scaled: in mode embedded everything is on the pod's own volume" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "protes.checkMetrics" . -}}
{{- if .Values.ingress.enabled -}}
{{- $_ := required "ingress.enabled needs ingress.host: requests for other names are refused" .Values.ingress.host -}}
{{- end -}}
{{- end -}}

{{/* "yes" where others than a pod itself may read its figures. */}}
{{- define "protes.figuresAreRead" -}}
{{- $given := default dict .Values.config.metrics -}}
{{- if and (or .Values.metrics.token.existingSecret $given.public) (ne (toString $given.enabled) "false") -}}
yes
{{- end -}}
{{- end -}}

{{- define "protes.checkMetrics" -}}
{{- $given := default dict .Values.config.metrics -}}
{{- with .Values.metrics -}}
{{- if and .token.existingSecret $given.public -}}
{{- fail "give at most one of metrics.token.existingSecret and config.metrics.public" -}}
{{- end -}}
{{- if .serviceMonitor.enabled -}}
{{- if not (include "protes.figuresAreRead" $) -}}
{{- fail "metrics.serviceMonitor needs metrics.token.existingSecret, or config.metrics.public, and config.metrics.enabled" -}}
{{- end -}}
{{- if and $.Values.networkPolicy.enabled (not .ingressFrom) -}}
{{- fail "metrics.serviceMonitor with a NetworkPolicy needs metrics.ingressFrom: where Prometheus is" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How a pod's figures are read: what ServiceMonitor and PodMonitor have in common. The labels `instance` and `job` are
the gateway's own, and stay. */}}
{{- define "protes.endpoint" -}}
path: /metrics
interval: {{ .Values.metrics.serviceMonitor.interval }}
scrapeTimeout: {{ .Values.metrics.serviceMonitor.scrapeTimeout }}
honorLabels: true
{{- with .Values.metrics.token }}
{{- if .existingSecret }}
authorization:
  type: Bearer
  credentials:
    name: {{ .existingSecret }}
    key: {{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The gateway's configuration: what is given, and the names that it is called by in this cluster. */}}
{{- define "protes.configuration" -}}
{{- $config := deepCopy .Values.config -}}
{{- $server := default dict $config.server -}}
{{- $name := include "protes.fullname" . -}}
{{- $inside := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $inside (printf "%s.svc" $inside) (printf "%s.svc.%s" $inside .Values.clusterDomain) -}}
{{- if .Values.ingress.enabled -}}
{{- $hosts = append $hosts .Values.ingress.host -}}
{{- end -}}
{{- $hosts = concat (default list $server.allowed_hosts) $hosts | uniq -}}
{{- $_ := set $config "server" (merge (dict "allowed_hosts" $hosts) $server) -}}
{{- /* JSON is YAML, and in it no number becomes a power of ten. */ -}}
{{- dict "custom" $config | toPrettyJson -}}
{{- end -}}

{{- define "protes.podAnnotations" -}}
checksum/configuration: {{ include "protes.configuration" . | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A pod's spec but for its containers; takes {root, component}. */}}
{{- define "protes.podSpec" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
serviceAccountName: {{ include "protes.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with .runAs.user }}
  runAsUser: {{ int64 . }}
  {{- end }}
  {{- with .runAs.group }}
  runAsGroup: {{ int64 . }}
  fsGroup: {{ int64 . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologyKeys }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "protes.selectorLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
  {{- end }}
{{- end }}
volumes:
  - name: configuration
    configMap:
      name: {{ include "protes.fullname" $root }}
  - name: tmp
    emptyDir:
      sizeLimit: 256Mi
  {{- include "protes.secretVolume" $root | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The files that are Secrets: [{name, existingSecret, key}], as JSON. */}}
{{- define "protes.secretFiles" -}}
{{- $files := list -}}
{{- with .Values.secrets -}}
{{- range .files -}}
{{- $files = append $files . -}}
{{- end -}}
{{- range $name, $reference := dict "broker-ca" .brokerCa "broker-url" .brokerUrl "metrics-token" $.Values.metrics.token "secret-keys" .secretKeys "store-url" .storeUrl -}}
{{- if and $reference.existingSecret (or (has $name (list "metrics-token" "secret-keys")) (eq $.Values.mode "scaled")) -}}
{{- $files = append $files (merge (dict "name" (printf "protes-%s" $name)) $reference) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $files | toJson -}}
{{- end -}}

{{- define "protes.secretVolume" -}}
{{- with include "protes.secretFiles" . | fromJsonArray -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ .existingSecret }}
          items:
            - key: {{ .key }}
              path: {{ .name }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* What all containers have, but their name, arguments and resources. */}}
{{- define "protes.container" -}}
image: {{ include "protes.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "protes.env" -}}
{{- with .Values.secrets -}}
{{- with .operatorToken -}}
{{- if .existingSecret }}
- name: PROTES_SERVER__OPERATOR_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end -}}
{{- end -}}
{{- if .secretKeys.existingSecret }}
- name: PROTES_SERVER__SECRET_KEY_FILE
  value: /etc/protes/secrets/protes-secret-keys
{{- end -}}
{{- if $.Values.metrics.token.existingSecret }}
- name: PROTES_METRICS__TOKEN_FILE
  value: /etc/protes/secrets/protes-metrics-token
{{- end -}}
{{- if eq $.Values.mode "scaled" }}
- name: PROTES_STORE__URL_FILE
  value: /etc/protes/secrets/protes-store-url
- name: PROTES_RUNNER__KIND
  value: celery
- name: PROTES_RUNNER__BROKER_URL_FILE
  value: /etc/protes/secrets/protes-broker-url
{{- if .brokerCa.existingSecret }}
- name: PROTES_RUNNER__BROKER_CA_FILE
  value: /etc/protes/secrets/protes-broker-ca
{{- end -}}
{{- end -}}
{{- range .env }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "protes.mounts" -}}
- name: configuration
  mountPath: /etc/protes/configuration
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if include "protes.secretFiles" . | fromJsonArray }}
- name: secrets
  mountPath: /etc/protes/secrets
  readOnly: true
{{- end }}
{{- end -}}

{{/* The container that serves; takes {root, arguments}: what embedded and scaled mode differ in. */}}
{{- define "protes.apiContainer" -}}
{{- $root := .root -}}
name: api
{{ include "protes.container" $root }}
args:
  - serve
  - --config=/etc/protes/configuration/gateway.yaml
  - --host=0.0.0.0
  - --port=8080
  {{- range .arguments }}
  - {{ . }}
  {{- end }}
{{- with include "protes.env" $root | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: 8080
    protocol: TCP
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
# Alive is who answers at all: generous, since a restart under load only adds to it.
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
# Ready is who reaches the store.
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ $root.Values.api.drainSeconds | quote }}]
{{- with $root.Values.api.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "protes.mounts" $root | nindent 2 }}
{{- end -}}
