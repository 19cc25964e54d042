// The way to files where none can be dropped, as on a phone.

export function AttachButton(props: { name: string; title: string; busy: boolean; disabled?: boolean; take: (files: File[]) => void }) {
  return (
    <label className="button attach" title={props.title}>
      <input
        type="file"
        multiple
        aria-label={props.name}
        disabled={props.disabled || props.busy}
        onChange={(event) => {
          props.take([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      {props.busy ? "Attaching …" : "Attach"}
    </label>
  );
}
