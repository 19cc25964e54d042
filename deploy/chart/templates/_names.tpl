{{- /*
What names begin with. A StatefulSet's pods have a label with its name and ten characters more, of 63 at most: a long release is cut
off, and told apart by a digest.
*/ -}}
{{- define "parallax.name" -}}
{{- if gt (len .Release.Name) 38 -}}
{{ printf "%s-%s" (.Release.Name | trunc 31 | trimSuffix "-") (.Release.Name | sha256sum | trunc 6) }}
{{- else -}}
{{ .Release.Name }}
{{- end -}}
{{- end }}
{{- define "parallax.runtime" -}}
{{ include "parallax.name" . }}-runtime
{{- end }}
{{- define "parallax.controlPlane" -}}
{{ include "parallax.name" . }}-control-plane
{{- end }}
{{- define "parallax.api" -}}
{{- if .Values.api.generate }}{{ include "parallax.name" . }}-api{{ else }}{{ .Values.api.existingSecret }}{{ end -}}
{{- end }}
{{- /* Not empty when agents have a namespace of their own. */ -}}
{{- define "parallax.apart" -}}
{{- if and .Values.agents.namespace (ne .Values.agents.namespace .Release.Namespace) }}true{{ end -}}
{{- end }}
{{- define "parallax.labels" -}}
app.kubernetes.io/name: parallax
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "parallax.pod" -}}
enableServiceLinks: false
terminationGracePeriodSeconds: 20
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- define "parallax.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
{{- /* As the API server completes it: left out, each would be a change whenever this is applied. */ -}}
{{- define "parallax.claim" -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: state
    creationTimestamp: null
  spec:
    accessModes: [ReadWriteOnce]
    volumeMode: Filesystem
    {{- with .className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ include "parallax.quantity" .size }}
  status:
    phase: Pending
{{- end }}
{{- define "parallax.token" -}}
- name: PARALLAX_API_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "parallax.api" . }}
      key: token
{{- end }}
{{- /* A quantity as it was written: templates print large numbers with an exponent. */ -}}
{{- define "parallax.quantity" -}}
{{ . | toJson | trimAll "\"" }}
{{- end }}
