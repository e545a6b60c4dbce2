/** What the reading room uses of Cornerstone3D, and nothing else: what is not named here is not shipped. */

export { Enums, RenderingEngine, cache, eventTarget, imageLoader, init, metaData, utilities } from "@cornerstonejs/core";
export {
  AngleTool,
  Enums as ToolEnums,
  LengthTool,
  ToolGroupManager,
  addTool,
  annotation,
  cancelActiveManipulations,
  init as initTools,
} from "@cornerstonejs/tools";
export { default as ColorTransferFunction } from "@kitware/vtk.js/Rendering/Core/ColorTransferFunction";
