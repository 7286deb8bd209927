// Fills the registries that Grafana's application fills at its start: standard field options and transformations.
import {
  FieldConfigProperty,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
  ThresholdsMode,
  type FieldConfigPropertyItem,
} from '@grafana/data';

const nothing = () => null;

function standard(
  id: FieldConfigProperty,
  process: FieldConfigPropertyItem['process'],
  defaultValue?: unknown,
): FieldConfigPropertyItem {
  return {
    id,
    path: id,
    name: id,
    process,
    defaultValue,
    shouldApply: () => true,
    editor: nothing,
    override: nothing,
    settings: { expandTemplateVars: true },
  };
}

export function fillRegistries(): void {
  standardFieldConfigEditorRegistry.setInit(() => [
    standard(FieldConfigProperty.Unit, unitOverrideProcessor),
    standard(FieldConfigProperty.Min, numberOverrideProcessor),
    standard(FieldConfigProperty.Max, numberOverrideProcessor),
    standard(FieldConfigProperty.FieldMinMax, identityOverrideProcessor),
    standard(FieldConfigProperty.Decimals, numberOverrideProcessor),
    standard(FieldConfigProperty.DisplayName, displayNameOverrideProcessor),
    standard(FieldConfigProperty.Color, identityOverrideProcessor),
    standard(FieldConfigProperty.NoValue, identityOverrideProcessor),
    standard(FieldConfigProperty.Links, identityOverrideProcessor, []),
    standard(FieldConfigProperty.Mappings, valueMappingsOverrideProcessor, []),
    standard(FieldConfigProperty.Thresholds, thresholdsOverrideProcessor, {
      mode: ThresholdsMode.Absolute,
      steps: [
        { value: -Infinity, color: 'green' },
        { value: 80, color: 'red' },
      ],
    }),
    standard(FieldConfigProperty.Filterable, identityOverrideProcessor),
  ]);
  // One of them is in the list under two names.
  standardTransformersRegistry.setInit(() =>
    [...new Set(Object.values(standardTransformers))].map((transformation) => ({
      id: transformation.id,
      aliasIds: transformation.aliasIds,
      name: transformation.name,
      transformation,
      editor: nothing,
      imageDark: '',
      imageLight: '',
    })),
  );
}
